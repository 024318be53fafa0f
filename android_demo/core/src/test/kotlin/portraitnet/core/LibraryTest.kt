package portraitnet.core

import java.io.File
import java.nio.file.Files
import org.json.JSONArray
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test

/** Models that are added, refused, chosen and opened; processors that fail. */
class LibraryTest {
    private lateinit var root: File
    private val case = Golden.cases("contracts").single()
    private val json = String(Golden.bytes(case, "json"))
    private val tflite = Golden.bytes(case, "tflite")
    private val name = JSONObject(json).getString("name")

    private fun source(bytes: ByteArray) = Source { bytes.inputStream() }

    private val builtIn = object : BuiltInModels {
        override fun names() = listOf(name)
        override fun source(model: String, file: String) = source(if (file == "model.json") json.toByteArray() else tflite)
    }
    private val library get() = ModelLibrary(root, builtIn)

    /** Another model's contract, with the same file. */
    private fun renamed(other: String) = source(JSONObject(json).put("name", other).toString().toByteArray())

    @Before
    fun folder() {
        root = Files.createTempDirectory("library").toFile()
    }

    @After
    fun remove() {
        root.deleteRecursively()
    }

    @Test
    fun theAppsOwnModelIsUnpackedOnceAndMendedWhenItIsDamaged() {
        val model = library.current()
        val file = model.file(model.contract.tfliteFor(Processor.CPU))
        assertTrue(file.readBytes().contentEquals(tflite))
        file.writeText("damaged")
        val again = library.current()
        assertTrue(again.isBuiltIn)
        assertTrue(again.file(again.contract.tfliteFor(Processor.CPU)).readBytes().contentEquals(tflite))
    }

    @Test
    fun anAddedModelIsTriedBeforeItIsKept() {
        val tried = ArrayList<String>()
        val added = library.add(listOf(source(tflite), renamed("mine"))) { tried.add("${it.name} in ${it.folder.name}") }
        assertEquals(listOf("mine in incoming"), tried)
        library.choose(added)
        assertEquals("mine", library.current().name)
        assertEquals(listOf(name, "mine"), library.list().map { it.name })
        library.choose(library.list().first())
        assertEquals(name, library.current().name)
    }

    @Test
    fun anAddedModelIsStillThereWhenTheAppEndedWhileAnotherTookItsPlace() {
        library.choose(library.add(listOf(source(tflite), renamed("mine"))) {})
        assertTrue(File(root, "added").renameTo(File(root, "replaced"))) // and the app ends here
        assertEquals("mine", library.current().name)
        library.add(listOf(source(tflite), renamed("other"))) {}
        assertEquals(listOf(name, "other"), library.list().map { it.name })
        assertFalse(File(root, "replaced").exists())
    }

    @Test
    fun aModelThatTheRuntimeRefusesLeavesNothingBehind() {
        library.choose(library.add(listOf(source(tflite), renamed("mine"))) {})
        messageOf<EngineException> { library.add(listOf(source(tflite), renamed("bad"))) { throw EngineException("refused") } }
        assertEquals("mine", library.current().name)
        assertFalse(File(root, "incoming").exists())
    }

    @Test
    fun filesThatAreNotTheModelsAreRefusedInOneSentence() {
        fun refused(vararg sources: Source) = messageOf<ContractException> { library.add(sources.toList()) { error("not to be tried") } }
        assertTrue("no model.json" in refused(source(tflite)))
        assertTrue("none of the files" in refused(renamed("mine")))
        assertTrue("none of the files" in refused(renamed("mine"), source(tflite + 0)))
        // The hash is right and the file is not what it says.
        val text = "no model at all".toByteArray()
        val facts = JSONObject(json)
        val artefact = facts.getJSONArray("artefacts").getJSONObject(0)
        artefact.put("sha256", sha256(text.inputStream())).put("bytes", text.size)
        facts.put("artefacts", JSONArray().put(artefact))
        assertTrue("no TFLite file" in refused(source(facts.toString().toByteArray()), source(text)))
        assertEquals(listOf(name), library.list().map { it.name })
    }

    @Test
    fun aChosenModelThatIsDamagedGivesWayToTheAppsOwn() {
        val added = library.add(listOf(source(tflite), renamed("mine"))) {}
        library.choose(added)
        File(added.folder, "model.json").writeText("{")
        val problems = ArrayList<String>()
        assertEquals(name, library.current { problems.add(it) }.name)
        assertEquals(1, problems.size)
    }

    @Test
    fun anAppWithoutModelsSaysHowToAddThem() {
        val empty = object : BuiltInModels {
            override fun names() = emptyList<String>()
            override fun source(model: String, file: String) = error("there is none")
        }
        assertTrue("portraitnet export" in messageOf<ContractException> { ModelLibrary(root, empty).current() })
    }

    /** An engine that fails at its [failAt]th run; 0 for never. */
    private class Fake(override val processor: Processor, private val failAt: Int = 0) : Engine {
        override val threads = 1
        var runs = 0
        var closed = false

        override fun run(rgb: ByteArray, alpha: FloatArray) {
            check(!closed)
            if (++runs == failAt) throw EngineException("$processor lost")
            alpha.fill(if (processor == Processor.CPU) 0.25f else 0.75f)
        }

        override fun close() {
            closed = true
        }
    }

    @Test
    fun whereTheGpuRefusesOrFailsTheCpuAnswersAndItIsSaid() {
        val model = library.current()
        val alpha = FloatArray(model.contract.height * model.contract.width)
        val rgb = ByteArray(3 * alpha.size)
        for (failAt in listOf(1, 2)) { // at once, or after it worked
            val opened = ArrayList<Fake>()
            val said = ArrayList<String>()
            val factory = EngineFactory { _, processor, _ -> Fake(processor, if (processor == Processor.GPU) failAt else 0).also { opened.add(it) } }
            val engine = GuardedEngine(factory, model, Processor.GPU, 4) { processor, reason -> said.add("$processor: $reason") }
            engine.run(rgb, alpha)
            assertEquals(listOf("GPU: GPU lost"), said)
            assertEquals(Processor.CPU, engine.processor)
            assertEquals(0.25f, alpha[0])
            assertTrue(opened.first().closed)
        }
        val refusing = EngineFactory { _, processor, _ -> if (processor == Processor.GPU) throw EngineException("no driver") else Fake(processor) }
        val said = ArrayList<String>()
        GuardedEngine(refusing, model, Processor.GPU, 4) { _, reason -> said.add(reason) }.run(rgb, alpha)
        assertEquals(listOf("no driver"), said)
    }

    @Test
    fun aProcessorThatWorksKeepsItsNameAndACpuThatFailsIsAnError() {
        val model = library.current()
        val alpha = FloatArray(model.contract.height * model.contract.width)
        val engine = GuardedEngine({ _, processor, _ -> Fake(processor) }, model, Processor.GPU, 4) { _, _ -> error("nothing failed") }
        engine.run(ByteArray(3 * alpha.size), alpha)
        assertEquals(Processor.GPU to 0.75f, engine.processor to alpha[0])
        val failing = EngineFactory { _, processor, _ -> Fake(processor, 1) }
        messageOf<EngineException> { GuardedEngine(failing, model, Processor.CPU, 4) { _, _ -> } }
    }

    @Test
    fun whatEndedTheAppIsKnownAtTheNextStart() {
        val file = File(root, "trying")
        val model = library.current()
        val guard = StartGuard(file)
        assertEquals(emptySet<String>(), guard.left)
        GuardedEngine({ _, processor, _ -> assertTrue(file.isFile); Fake(processor) }, model, Processor.GPU, 4, guard) { _, _ -> }
        assertFalse(file.exists())
        StartGuard(file).begin("$name GPU") // and the app ends here
        StartGuard(file).apply { begin("$name CPU") } // and here again
        val third = StartGuard(file)
        assertEquals(setOf("$name GPU", "$name CPU"), third.left)
        // Asked for by the user, it works after all.
        GuardedEngine({ _, processor, _ -> Fake(processor) }, model, Processor.CPU, 4, third) { _, _ -> }
        assertEquals(setOf("$name GPU"), StartGuard(file).left)
    }
}
