package portraitnet.app

import java.time.Instant
import java.time.temporal.ChronoUnit
import portraitnet.core.BenchmarkSchedule
import portraitnet.core.Contestant
import portraitnet.core.DeviceReport
import portraitnet.core.Engine
import portraitnet.core.EngineException
import portraitnet.core.EngineFactory
import portraitnet.core.PAD_VALUE
import portraitnet.core.Processor
import portraitnet.core.StoredModel
import portraitnet.core.Stretch
import portraitnet.core.SustainedRun
import portraitnet.core.benchmarkJson

/** The run was stopped. */
class Stopped : Exception()

/** Where a run is: [share] of 0 to 1, and what it is at. */
data class Progress(val share: Double, val what: String)

/**
 * Times models on 1, 2 and 4 threads of the CPU and on the GPU, all taking turns; then, if wished, the first model alone for five
 * minutes. One that a processor refuses is left out: another one's time never stands under its name.
 */
class BenchmarkRun(
    private val factory: EngineFactory,
    private val models: () -> List<StoredModel>,
    private val state: DeviceState,
    private val sustained: Boolean,
    private val onProgress: (Progress) -> Unit,
) {
    @Volatile private var stopped = false

    fun stop() {
        stopped = true
    }

    /** The results as JSON. Throws Stopped, and EngineException where a model that was opened fails. */
    fun run(): String {
        val engines = ArrayList<Engine>()
        try {
            val started = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()
            val contestants = models().flatMap { model ->
                val tries = listOf(1, 2, 4).map { Processor.CPU to it } + (Processor.GPU to 1)
                tries.mapNotNull { (processor, threads) -> contestant(model, processor, threads, engines) }
            }
            val before = state.heat()
            val headroom = ArrayList<Double>()
            var memory = state.memoryMb()
            val timings = BenchmarkSchedule().time(contestants.map { it.call }) { share ->
                if (stopped) throw Stopped()
                if ((share * 100).toInt() % 10 == 0) {
                    state.headroom()?.let { headroom.add(it) }
                    memory = maxOf(memory, state.memoryMb())
                }
                onProgress(Progress(share, ""))
            }
            val stretches = if (sustained) sustain(contestants) else emptyList()
            val report = DeviceReport(
                state.device, state.system, state.features(), before, state.heat(), headroom, memory, state.conditions(), started,
            )
            return benchmarkJson(contestants, timings, report, stretches)
        } finally {
            engines.forEach { it.close() }
        }
    }

    private fun contestant(model: StoredModel, processor: Processor, threads: Int, engines: MutableList<Engine>): Contestant? {
        val pixels = model.contract.height * model.contract.width
        val rgb = ByteArray(3 * pixels) { PAD_VALUE.toByte() }
        val alpha = FloatArray(pixels)
        val start = System.nanoTime()
        val engine = try {
            factory.open(model, processor, threads)
        } catch (error: EngineException) {
            return null
        }
        try {
            engine.run(rgb, alpha)
        } catch (error: EngineException) {
            engine.close()
            return null
        }
        engines += engine
        val first = (System.nanoTime() - start) / 1e6
        val artefact = model.contract.tfliteFor(processor)
        val residency = if (processor == Processor.CPU) artefact.residency else "compiled without CPU"
        val backend = if (processor == Processor.CPU) "CPU (XNNPACK)" else "GPU (LiteRT)"
        return Contestant(model.contract, artefact, backend, threads, residency, first) { engine.run(rgb, alpha) }
    }

    private fun sustain(contestants: List<Contestant>): List<Stretch> {
        val one = contestants.firstOrNull() ?: return emptyList()
        val run = SustainedRun()
        return run.run(state::headroom, { stretch ->
            if (stopped) throw Stopped()
            onProgress(Progress(stretch.second / 300.0, "%.0f/s".format(stretch.rate)))
        }, one.call)
    }
}
