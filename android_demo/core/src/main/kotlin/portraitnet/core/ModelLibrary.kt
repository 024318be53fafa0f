package portraitnet.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

/** A model whose files lie in [folder], checked: its contract, and each of its TFLite files by hash, shape and type. */
class StoredModel(val contract: ModelContract, val folder: File, val isBuiltIn: Boolean) {
    val name get() = contract.name

    fun file(artefact: Artefact) = File(folder, artefact.file)
}

/** Where bytes come from: an asset, or what the user chose. May be opened more than once. */
fun interface Source {
    fun open(): InputStream
}

/** The models inside the app: their folders, and the files of each. */
interface BuiltInModels {
    fun names(): List<String>
    fun source(model: String, file: String): Source
}

/**
 * The models that can be chosen: those inside the app, and one that the user added. All lie in folders of [root], which
 * appear whole or not at all; none is believed before its hashes, shapes and types were checked.
 */
class ModelLibrary(private val root: File, private val builtIn: BuiltInModels) {
    private val added = File(root, "added")
    private val replaced = File(root, "replaced") // the one added before, while another takes its place
    private val choice = File(root, "chosen")

    /** All usable models, the app's own first; [onProblem] hears why one is left out. */
    fun list(onProblem: (String) -> Unit = {}): List<StoredModel> {
        root.mkdirs()
        if (!added.exists()) replaced.renameTo(added) // the app ended in between
        val found = builtIn.names().mapNotNull { name -> usable(onProblem) { unpacked(name) } }
        val own = if (added.isDirectory) usable(onProblem) { checked(added, false) } else null
        return found + listOfNotNull(own)
    }

    /** The model chosen last, or else the first of the app's own. Throws ContractException when there is none at all. */
    fun current(onProblem: (String) -> Unit = {}): StoredModel {
        val all = list(onProblem)
        val wanted = if (choice.isFile) choice.readText() else ""
        return all.firstOrNull { it.key() == wanted } ?: all.firstOrNull()
            ?: throw ContractException("the app was built without a model; portraitnet export --android android_demo")
    }

    /** Let [model] be the one that the next start opens. */
    fun choose(model: StoredModel) = replace(choice) { it.writeText(model.key()) }

    /**
     * Add a bundle's model.json and TFLite files from [sources], in place of the one added before. [tryOut] opens and runs
     * the model; when it throws, or anything else fails, the library stays as it was.
     */
    fun add(sources: List<Source>, tryOut: (StoredModel) -> Unit): StoredModel {
        root.mkdirs()
        val fresh = File(root, "incoming").apply { deleteRecursively(); mkdirs() }
        try {
            val text = sources.firstNotNullOfOrNull { textOf(it) } ?: throw ContractException("no model.json among the files")
            val contract = ModelContract.parse(text)
            // Only files that model.json names by their hash are kept, whatever else was chosen, and whatever it was called.
            val kept = contract.tflites.filter { artefact -> sources.any { take(it, artefact, File(fresh, artefact.file)) } }
            if (kept.isEmpty()) {
                val names = contract.tflites.joinToString { it.file }
                throw ContractException("none of the files is one that model.json names: $names")
            }
            File(fresh, CONTRACT).writeText(text)
            tryOut(checked(fresh, false))
            replaced.deleteRecursively()
            if (added.exists() && !added.renameTo(replaced)) throw ContractException("the model could not be stored")
            if (!fresh.renameTo(added)) {
                replaced.renameTo(added)
                throw ContractException("the model could not be stored")
            }
            replaced.deleteRecursively()
            return checked(added, false)
        } catch (error: IOException) {
            throw ContractException("the model could not be stored: ${error.message}")
        } finally {
            fresh.deleteRecursively()
        }
    }

    private fun StoredModel.key() = if (isBuiltIn) "built-in $name" else "added"

    private fun usable(onProblem: (String) -> Unit, find: () -> StoredModel): StoredModel? = try {
        find()
    } catch (error: ContractException) {
        onProblem(error.message ?: "a model cannot be used")
        null
    } catch (error: IOException) {
        onProblem(error.message ?: "a model cannot be read")
        null
    }

    /** A model inside the app as files, which is what LiteRT opens; copied anew when the app brings another one. */
    private fun unpacked(name: String): StoredModel {
        val text = builtIn.source(name, CONTRACT).open().bufferedReader().use { it.readText() }
        val folder = File(root, "built-in-$name")
        val known = File(folder, CONTRACT)
        if (known.isFile && known.readText() == text) {
            try {
                return checked(folder, true)
            } catch (error: ContractException) { // damaged on disk: copied anew
                folder.deleteRecursively()
            }
        }
        val contract = ModelContract.parse(text)
        val fresh = File(root, "incoming").apply { deleteRecursively(); mkdirs() }
        for (artefact in contract.tflites) {
            if (!take(builtIn.source(name, artefact.file), artefact, File(fresh, artefact.file))) {
                throw ContractException("$name: ${artefact.file} is not the file that was exported")
            }
        }
        File(fresh, CONTRACT).writeText(text)
        folder.deleteRecursively()
        if (!fresh.renameTo(folder)) throw ContractException("$name could not be stored")
        return checked(folder, true)
    }

    private fun checked(folder: File, isBuiltIn: Boolean): StoredModel {
        val file = File(folder, CONTRACT)
        if (!file.isFile) throw ContractException("${folder.name} has no model.json")
        val contract = ModelContract.parse(file.readText())
        val here = contract.tflites.filter { File(folder, it.file).isFile }
        if (here.isEmpty()) throw ContractException("model.json names no .tflite file that is here")
        for (artefact in here) mismatch(contract, TfliteFile.read(File(folder, artefact.file)))?.let { throw ContractException(it) }
        return StoredModel(contract.copy(artefacts = here), folder, isBuiltIn)
    }

    private fun replace(file: File, write: (File) -> Unit) {
        val fresh = File(file.path + ".new")
        write(fresh)
        if (!fresh.renameTo(file)) throw IOException("${file.name} could not be stored")
    }

    private companion object {
        const val CONTRACT = "model.json"
    }
}

private const val MOST_JSON = 4 shl 20

/** The text of a source that begins like JSON; null for another. */
private fun textOf(source: Source): String? = source.open().use { stream ->
    val start = stream.read()
    if (start != '{'.code) return null
    val text = ByteArray(MOST_JSON)
    var length = 0
    while (length < text.size) {
        val read = stream.read(text, length, text.size - length)
        if (read < 0) break
        length += read
    }
    "{" + String(text, 0, length, Charsets.UTF_8)
}

/** Copy [source] to [file] if it is the one that [artefact] names by size and hash. */
private fun take(source: Source, artefact: Artefact, file: File): Boolean {
    source.open().use { from -> file.outputStream().use { to -> copy(from, to, artefact.bytes) } }
    val isIt = file.length() == artefact.bytes && file.inputStream().use { sha256(it) } == artefact.sha256
    if (!isIt) file.delete()
    return isIt
}

/** [from] into [to], but no more than a byte beyond [most]: a file that is too long is not the one that was exported. */
private fun copy(from: InputStream, to: OutputStream, most: Long) {
    val buffer = ByteArray(1 shl 16)
    var left = most + 1
    while (left > 0) {
        val read = from.read(buffer, 0, minOf(left, buffer.size.toLong()).toInt())
        if (read < 0) return
        to.write(buffer, 0, read)
        left -= read
    }
}
