package portraitnet.core

import java.io.File
import java.io.IOException

/**
 * Remembers in [file] what is being tried, for the case that it ends the app (a crash in native code cannot be caught).
 * What [left] names at the next start is not to be tried again.
 */
class StartGuard(private val file: File) {
    /** What was being tried when the app last ended; null when it ended otherwise. */
    val left: String? = try {
        if (file.isFile) file.readText() else null
    } catch (error: IOException) {
        null
    }

    init {
        file.delete()
    }

    fun begin(what: String) {
        try {
            file.writeText(what)
        } catch (error: IOException) {
            return // a full disk: the model is tried without a guard
        }
    }

    fun end() {
        file.delete()
    }
}
