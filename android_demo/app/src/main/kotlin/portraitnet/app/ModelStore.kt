package portraitnet.app

import android.content.Context
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import portraitnet.core.Artefact
import portraitnet.core.ContractException
import portraitnet.core.ModelContract
import portraitnet.core.sha256

/** A model ready to be opened: its contract, the TFLite file that it names, and that file in memory. */
class StoredModel(val contract: ModelContract, val artefact: Artefact, val bytes: ByteBuffer)

/** Models: the one in the app's assets (`portraitnet export --android`), or one that the user chose from storage. */
class ModelStore(private val context: Context) {
    private val chosen = File(context.filesDir, "model")

    /** The chosen model, or else the app's own. Throws ContractException for one that cannot be used. */
    fun current(): StoredModel = if (File(chosen, CONTRACT).isFile) fromFolder(chosen) else fromAssets()

    /** Copy a bundle's model.json and .tflite from [uris] into the app, once both are proven to belong together. */
    fun take(uris: List<Uri>): StoredModel {
        val (contract, artefact) = uris.firstNotNullOfOrNull { contractOf(it) }
            ?: throw ContractException("no model.json among the files")
        val fresh = File(context.filesDir, "model-new").apply { deleteRecursively(); mkdirs() }
        val file = File(fresh, artefact.file)
        // Only the file that model.json names by its hash is kept, whatever else was chosen, and whatever it was called.
        val found = uris.any { uri ->
            open(uri).use { from -> file.outputStream().use { to -> copy(from, to, artefact.bytes) } }
            file.length() == artefact.bytes && file.inputStream().use { sha256(it) } == artefact.sha256
        }
        if (!found) throw ContractException("${artefact.file} is not among the files, or is not the one that was exported")
        File(fresh, CONTRACT).writeText(uris.firstNotNullOf { textOf(it) })
        chosen.deleteRecursively()
        if (!fresh.renameTo(chosen)) throw ContractException("the model could not be stored")
        return fromFolder(chosen)
    }

    private fun fromAssets(): StoredModel {
        val text = try {
            context.assets.open(CONTRACT).bufferedReader().use { it.readText() }
        } catch (error: FileNotFoundException) {
            throw ContractException("the app was built without a model; portraitnet export CHECKPOINT --android android_demo")
        }
        val (contract, artefact) = parsed(text)
        val bytes = context.assets.openFd(artefact.file).use { asset ->
            asset.createInputStream().channel.map(FileChannel.MapMode.READ_ONLY, asset.startOffset, asset.declaredLength)
        }
        return StoredModel(contract, artefact, bytes)
    }

    private fun fromFolder(folder: File): StoredModel {
        val (contract, artefact) = parsed(File(folder, CONTRACT).readText())
        val bytes = File(folder, artefact.file).inputStream().use { stream ->
            stream.channel.map(FileChannel.MapMode.READ_ONLY, 0, stream.channel.size())
        }
        return StoredModel(contract, artefact, bytes)
    }

    private fun contractOf(uri: Uri): Pair<ModelContract, Artefact>? = textOf(uri)?.let { parsed(it) }

    /** The text of a file that begins like JSON; null for another. */
    private fun textOf(uri: Uri): String? = open(uri).use { stream ->
        val start = stream.read()
        if (start != '{'.code) return null
        val text = stream.readNBytesOf(MOST_JSON)
        "{" + String(text, Charsets.UTF_8)
    }

    private fun parsed(text: String): Pair<ModelContract, Artefact> {
        val contract = ModelContract.parse(text)
        return contract to (contract.tflite ?: throw ContractException("model.json names no .tflite file"))
    }

    private fun open(uri: Uri): InputStream =
        context.contentResolver.openInputStream(uri) ?: throw ContractException("$uri cannot be read")

    private companion object {
        const val CONTRACT = "model.json"
        const val MOST_JSON = 4 shl 20
    }
}

/** At most [most] bytes, which is all of any model.json. */
private fun InputStream.readNBytesOf(most: Int): ByteArray {
    val buffer = ByteArray(most)
    var length = 0
    while (length < most) {
        val read = read(buffer, length, most - length)
        if (read < 0) break
        length += read
    }
    return buffer.copyOf(length)
}

/** [from] into [to], but no more than a byte beyond [most]: a file that is too long is not the one that was exported. */
private fun copy(from: InputStream, to: java.io.OutputStream, most: Long) {
    val buffer = ByteArray(1 shl 16)
    var left = most + 1
    while (left > 0) {
        val read = from.read(buffer, 0, minOf(left, buffer.size.toLong()).toInt())
        if (read < 0) return
        to.write(buffer, 0, read)
        left -= read
    }
}
