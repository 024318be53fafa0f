package portraitnet.app

import android.content.Context
import android.os.Build
import android.os.PowerManager
import portraitnet.core.BenchmarkSchedule
import portraitnet.core.Contestant
import portraitnet.core.benchmarkJson

/** Times one model on every processor that takes it, and on 1, 2 and 4 threads of the CPU, all taking turns. */
class BenchmarkRun(private val context: Context, private val model: StoredModel) {
    /** The results as JSON (see core's benchmarkJson); [onRound] is told the share that is done. */
    fun run(onRound: (Double) -> Unit): String {
        val runners = ArrayList<ModelRunner>()
        try {
            for (threads in listOf(1, 2, 4)) runners += ModelRunner.open(model.bytes, model.contract, Processor.CPU, threads)
            for (processor in listOf(Processor.GPU, Processor.NNAPI)) {
                val runner = ModelRunner.openOrFallBack(model.bytes, model.contract, processor, 1) {}
                // One that fell back would be the CPU's time under another name.
                if (runner.processor == processor) runners += runner else runner.close()
            }
            val contestants = runners.map { runner ->
                val taken = if (runner.processor == Processor.CPU) model.artefact.residency else ""
                Contestant(model.contract, model.artefact, NAMES.getValue(runner.processor), runner.threads, taken, runner::run)
            }
            val before = heat()
            val timings = BenchmarkSchedule().time(contestants.map { it.call }, onRound)
            val device = "${Build.MANUFACTURER} ${Build.MODEL}"
            val system = "Android ${Build.VERSION.RELEASE}; LiteRT $LITERT"
            return benchmarkJson(contestants, timings, device, system, before, heat())
        } finally {
            runners.forEach { it.close() }
        }
    }

    private fun heat(): String {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return "not told"
        val power = context.getSystemService(PowerManager::class.java)
        return HEAT.getOrElse(power.currentThermalStatus) { "not told" }
    }

    private companion object {
        const val LITERT = "1.4.2" // as gradle/libs.versions.toml has it; a test compares them
        val NAMES = mapOf(Processor.CPU to "CPU (XNNPACK)", Processor.GPU to "GPU", Processor.NNAPI to "NNAPI")
        val HEAT = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
    }
}
