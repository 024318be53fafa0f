package portraitnet.core

import java.io.InputStream
import java.security.MessageDigest
import org.json.JSONException
import org.json.JSONObject

/** A model.json that cannot be used; the message is for people. */
class ContractException(message: String) : Exception(message)

/** One file of a bundle. */
data class Artefact(
    val file: String,
    val format: String,
    val precision: String,
    val sha256: String,
    val bytes: Long,
    val residency: String = "", // operators that XNNPACK took, of all, and in how many pieces, as counted at export
)

/** What model.json says: every size and name the app uses comes from here. */
data class ModelContract(
    val name: String,
    val classes: List<String>,
    val height: Int,
    val width: Int,
    val encoder: String,
    val parameters: Long,
    val macs: Long,
    val artefacts: List<Artefact>,
    val geometry: String = LETTERBOX,
) {
    /** Its TFLite files. */
    val tflites: List<Artefact> get() = artefacts.filter { it.format == "tflite" }

    /** The file to run on [processor]: int8 first, but on a GPU, which works in float16, float16. Throws ContractException. */
    fun tfliteFor(processor: Processor): Artefact {
        val order = if (processor == Processor.GPU) FLOATS_FIRST else BYTES_FIRST
        return tflites.filter { it.precision in order }.minByOrNull { order.indexOf(it.precision) }
            ?: throw ContractException("model.json names no .tflite file")
    }

    companion object {
        private const val MOST_CHARACTERS = 4 shl 20
        private val BYTES_FIRST = listOf("int8", "fp32", "fp16")
        private val FLOATS_FIRST = listOf("fp16", "fp32", "int8")
        private val FILE_NAME = Regex("[A-Za-z0-9][A-Za-z0-9._-]{0,120}")

        /** Read untrusted JSON. Throws ContractException, and nothing else, when it is no contract of ours. */
        fun parse(json: String): ModelContract {
            if (json.length > MOST_CHARACTERS) throw ContractException("model.json is larger than 4 MiB")
            try {
                val facts = JSONObject(json)
                val contract = read(facts)
                contract.check(facts.optInt("format_version"), facts.optString("task"))
                return contract
            } catch (error: JSONException) {
                throw ContractException("model.json is not a portraitnet model contract: ${error.message}")
            } catch (error: StackOverflowError) {
                throw ContractException("model.json is nested too deeply")
            }
        }

        private fun read(facts: JSONObject): ModelContract {
            val classes = facts.getJSONArray("classes")
            val artefacts = facts.getJSONArray("artefacts")
            return ModelContract(
                facts.getString("name"),
                List(classes.length()) { classes.getString(it) },
                facts.getInt("height"),
                facts.getInt("width"),
                facts.optString("encoder"),
                facts.optLong("parameters"),
                facts.optLong("macs"),
                List(artefacts.length()) {
                    val one = artefacts.getJSONObject(it)
                    Artefact(
                        one.getString("file"), one.getString("format"), one.getString("precision"),
                        one.getString("sha256"), one.getLong("bytes"), residency(one.optJSONObject("parity")),
                    )
                },
                facts.optString("geometry"),
            )
        }

        private fun residency(parity: JSONObject?): String {
            val counted = parity?.optJSONObject("xnnpack") ?: return ""
            return "${counted.optInt("delegated")}/${counted.optInt("nodes")} in ${counted.optInt("partitions")}"
        }
    }

    private fun check(version: Int, task: String) {
        fun refuse(reason: String): Nothing = throw ContractException("model.json: $reason")
        if (version != 1) refuse("format version $version; this app reads 1")
        if (geometry !in GEOMETRIES) refuse("geometry '$geometry' is not known to this app")
        if (task != "portrait" || classes.size != 2) refuse("task '$task' with ${classes.size} classes; this app wants a portrait model")
        for (side in listOf(height, width)) if (side !in 32..1024 || side % 16 != 0) refuse("input size $height x $width")
        for (artefact in artefacts) if (!FILE_NAME.matches(artefact.file)) refuse("'${artefact.file}' is no plain file name")
    }
}

/** The SHA-256 of all that [stream] gives, in hexadecimal digits. */
fun sha256(stream: InputStream): String {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(1 shl 16)
    while (true) {
        val read = stream.read(buffer)
        if (read < 0) break
        digest.update(buffer, 0, read)
    }
    return digest.digest().joinToString("") { "%02x".format(it) }
}
