package portraitnet.core

import java.io.ByteArrayInputStream
import java.nio.ByteBuffer
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
        assertEquals(case.getString("sha256"), contract.tfliteFor(Processor.CPU).sha256)
        assertEquals(contract.tfliteFor(Processor.CPU).sha256, sha256(ByteArrayInputStream(Golden.bytes(case, "tflite"))))
        val file = TfliteFile.parse(ByteBuffer.wrap(Golden.bytes(case, "tflite")))
        assertEquals(facts(case.getJSONObject("input")), file.input)
        assertEquals(facts(case.getJSONObject("output")), file.output)
        assertNull(mismatch(contract, file))
    }

    @Test
    fun theCpuTakesInt8AndTheGpuFloats() {
        val contract = ModelContract.parse(good)
        assertEquals("m-int8.tflite", contract.tfliteFor(Processor.CPU).file)
        assertEquals("m-fp32.tflite", contract.tfliteFor(Processor.GPU).file)
        val both = ModelContract.parse(good.replace("\"fp32\"", "\"fp16\""))
        assertEquals("m-fp32.tflite", both.tfliteFor(Processor.GPU).file)
        messageOf<ContractException> { contract.copy(artefacts = emptyList()).tfliteFor(Processor.GPU) }
    }

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
        val picture = TensorFacts(listOf(1, 224, 160, 3), TensorFacts.UINT8, Quantization(1f, 0))
        val alpha = TensorFacts(listOf(1, 224, 160, 1), TensorFacts.UINT8, Quantization(1 / 256f, 0))
        fun reason(input: TensorFacts, output: TensorFacts) = mismatch(contract, TfliteFile(input, output)) ?: ""
        assertEquals("", reason(picture, alpha))
        assertEquals("", reason(picture.copy(type = TensorFacts.FLOAT32), alpha.copy(type = TensorFacts.FLOAT32)))
        assertTrue("takes" in reason(alpha, alpha))
        assertTrue("gives" in reason(picture, picture))
        assertTrue("takes type 9" in reason(picture.copy(type = 9), alpha))
        assertTrue("input is quantised" in reason(picture.copy(quantization = Quantization(0.5f, 3)), alpha))
        assertTrue("output is quantised" in reason(picture, alpha.copy(quantization = Quantization(1f, 0))))
    }

    @Test
    fun aDamagedTfliteFileIsRefusedWhereverItIsDamaged() {
        val whole = Golden.bytes(Golden.cases("contracts").single(), "tflite")
        for (length in listOf(0, 3, 8, 40, whole.size / 2)) {
            messageOf<ContractException> { TfliteFile.parse(ByteBuffer.wrap(whole.copyOf(length))) }
        }
        messageOf<ContractException> { TfliteFile.parse(ByteBuffer.wrap("this is a text, no model".toByteArray())) }
        val random = java.util.Random(0)
        repeat(2000) { // whatever a byte says, it is read or refused, and nothing else happens
            val damaged = whole.copyOf(4096).also { bytes -> repeat(8) { bytes[8 + random.nextInt(4000)] = random.nextInt().toByte() } }
            try {
                TfliteFile.parse(ByteBuffer.wrap(damaged))
            } catch (error: ContractException) {
                assertTrue(error.message!!.isNotEmpty())
            }
        }
    }

    private fun facts(tensor: JSONObject): TensorFacts {
        val shape = tensor.getJSONArray("shape").let { List(it.length()) { i -> it.getInt(i) } }
        val type = if (tensor.getString("dtype") == "uint8") TensorFacts.UINT8 else TensorFacts.FLOAT32
        return TensorFacts(shape, type, Quantization(tensor.getDouble("scale").toFloat(), tensor.getInt("zero_point")))
    }
}
