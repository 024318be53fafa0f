package portraitnet.core

import java.io.File
import java.io.IOException

/**
 * Remembers in [file] what is being tried, for the case that it ends the app: a crash in native code cannot be caught.
 * What [left] names was being tried when the app ended, and is not to be tried again unless the user asks for it.
 */
class StartGuard(private val file: File) {
    private val ended: MutableSet<String> = try {
        if (file.isFile) file.readLines().filter { it.isNotBlank() }.toMutableSet() else mutableSetOf()
    } catch (error: IOException) {
        mutableSetOf()
    }

    val left: Set<String> get() = ended

    fun begin(what: String) = write(ended + what)

    /** [what] did not end the app, whether it worked or was refused. */
    fun end(what: String) {
        ended -= what
        write(ended)
    }

    private fun write(lines: Set<String>) {
        try {
            if (lines.isEmpty()) file.delete() else file.writeText(lines.joinToString("\n"))
        } catch (error: IOException) {
            return // a full disk: what follows is tried without a guard
        }
    }
}
