package portraitnet.core

import java.io.ByteArrayInputStream
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

/** model.json and the model's buffers, and what is not accepted. */
class ContractTest {
    private val good = """
        {"name": "m", "classes": ["background", "person"], "height": 224, "width": 160, "task": "portrait",
         "geometry": "letterbox-128-centred", "format_version": 1, "encoder": "e", "parameters": 7, "macs": 9,
         "artefacts": [{"file": "m-fp32.tflite", "format": "tflite", "precision": "fp32", "sha256": "aa", "bytes": 2},
                       {"file": "m-int8.tflite", "format": "tflite", "precision": "int8", "sha256": "bb", "bytes": 1},
                       {"file": "m.onnx", "format": "onnx", "precision": "int8", "sha256": "cc", "bytes": 1}]}
    """.trimIndent()

    @Test
    fun theShippedContractIsReadAsPythonReadsIt() {
        val case = Golden.cases("contracts").single()
        val contract = ModelContract.parse(String(Golden.bytes(case, "json")))
        assertEquals(case.getString("name"), contract.name)
        assertEquals(listOf(case.getInt("height"), case.getInt("width")), listOf(contract.height, contract.width))
        assertEquals(case.getString("sha256"), contract.tflite?.sha256)
        assertEquals(contract.tflite?.sha256, sha256(ByteArrayInputStream(Golden.bytes(case, "tflite"))))
        val input = case.getJSONObject("input")
        val output = case.getJSONObject("output")
        assertNull(
            mismatch(
                contract, shape(input), shape(output), input.getString("dtype") == "uint8", quantization(input), quantization(output),
            ),
        )
    }

    @Test
    fun int8IsPreferred() = assertEquals("m-int8.tflite", ModelContract.parse(good).tflite?.file)

    @Test
    fun bothGeometriesAreRead() {
        assertEquals(LETTERBOX, ModelContract.parse(good).geometry)
        assertEquals(STRETCH, ModelContract.parse(good.replace(LETTERBOX, STRETCH)).geometry)
    }

    @Test
    fun whatIsNoContractOfOursIsRefusedInOneSentence() {
        val changes = mapOf(
            "\"height\": 224" to "\"height\": 100000" to "input size 100000 x 160",
            "\"height\": 224" to "\"height\": 225" to "input size 225",
            "m-int8.tflite" to "../../m-int8.tflite" to "no plain file name",
            "letterbox-128-centred" to "crop" to "geometry 'crop'",
            "\"format_version\": 1" to "\"format_version\": 2" to "format version 2",
            "\"person\"" to "\"hair\", \"skin\"" to "3 classes",
            "\"name\": \"m\"," to "" to "not a portraitnet model contract",
        )
        for ((change, reason) in changes) {
            val message = messageOf<ContractException> { ModelContract.parse(good.replace(change.first, change.second)) }
            assertTrue(message, reason in message)
        }
        for (junk in listOf("", "[]", "null", "{", "\u0000", "[".repeat(100_000))) messageOf<ContractException> { ModelContract.parse(junk) }
        messageOf<ContractException> { ModelContract.parse(" ".repeat(5 shl 20)) }
    }

    @Test
    fun aFileThatBreaksThePromiseIsNamed() {
        val contract = ModelContract.parse(good)
        val shape = intArrayOf(1, 224, 160, 3)
        val alpha = intArrayOf(1, 224, 160, 1)
        val raw = Quantization(1f, 0)
        val steps = Quantization(1 / 256f, 0)
        assertNull(mismatch(contract, shape, alpha, true, raw, steps))
        assertTrue("takes" in mismatch(contract, alpha, alpha, true, raw, steps)!!)
        assertTrue("gives" in mismatch(contract, shape, shape, true, raw, steps)!!)
        assertTrue("input is quantised" in mismatch(contract, shape, alpha, true, Quantization(0.5f, 3), steps)!!)
        assertTrue("output is quantised" in mismatch(contract, shape, alpha, true, raw, raw)!!)
    }

    @Test
    fun bytesAndFloatsGoThroughTheModelsBuffers() {
        val rgb = ByteArray(12) { (20 * it).toByte() }
        val bytes = ModelIo(2, 2, true).apply { fill(rgb) }
        assertEquals(220, bytes.input.get(11).toInt() and 255)
        bytes.output.put(0, 255.toByte()).put(1, 51)
        assertEquals(listOf(1f, 0.2f, 0f, 0f), FloatArray(4).also { bytes.alpha(it) }.toList())
        val floats = ModelIo(2, 2, false).apply { fill(rgb) }
        assertEquals(220f, floats.input.getFloat(44))
        floats.output.putFloat(0, 1.5f).putFloat(4, 0.25f)
        assertEquals(listOf(1f, 0.25f, 0f, 0f), FloatArray(4).also { floats.alpha(it) }.toList())
    }

    private fun shape(tensor: JSONObject) = tensor.getJSONArray("shape").let { IntArray(it.length()) { i -> it.getInt(i) } }

    private fun quantization(tensor: JSONObject) = Quantization(tensor.getDouble("scale").toFloat(), tensor.getInt("zero_point"))
}
