package portraitnet.core

import org.json.JSONArray
import org.json.JSONObject

/** Milliseconds of [runs] counted calls. */
data class Timing(val medianMs: Double, val p90Ms: Double, val iqrMs: Double, val runs: Int)

/** What is timed: one call is one inference on the same input. */
class Contestant(
    val model: ModelContract,
    val artefact: Artefact,
    val backend: String, // CPU (XNNPACK), GPU or NNAPI
    val threads: Int,
    val residency: String, // operators that the delegate took, of all, and in how many pieces: "122/124 in 1"
    val call: () -> Unit,
)

/** Warm-up, then [runs] rounds in which every contestant is called once, in an order that turns with each round. */
class BenchmarkSchedule(private val runs: Int = 50, private val warmup: Int = 5, private val clock: () -> Long = System::nanoTime) {
    /** Timings in the order of [contestants]. [onRound] is told the share that is done; it may throw to stop. */
    fun time(contestants: List<() -> Unit>, onRound: (Double) -> Unit = {}): List<Timing> {
        val times = contestants.map { ArrayList<Double>(runs) }
        for (round in 0 until warmup + runs) {
            for (turn in contestants.indices) {
                val which = (turn + round) % contestants.size
                val start = clock()
                contestants[which]()
                val elapsed = clock() - start
                if (round >= warmup) times[which].add(elapsed / 1e6)
            }
            onRound((round + 1.0) / (warmup + runs))
        }
        return times.map { all ->
            Timing(
                percentileOf(all, 50.0),
                percentileOf(all, 90.0),
                percentileOf(all, 75.0) - percentileOf(all, 25.0),
                all.size,
            )
        }
    }
}

/**
 * The results as JSON: rows with the columns of `portraitnet benchmark`'s latency CSV, and what the phone says of its heat
 * before and after ("none", "light", "moderate", "severe" ...: a hot phone's figures are not a cool one's).
 */
fun benchmarkJson(
    contestants: List<Contestant>, timings: List<Timing>, device: String, system: String, heatBefore: String, heatAfter: String,
): String {
    val rows = JSONArray()
    for ((contestant, timing) in contestants.zip(timings)) {
        val model = contestant.model
        rows.put(
            JSONObject()
                .put("model", model.name).put("encoder", model.encoder)
                .put("format", contestant.artefact.format).put("precision", contestant.artefact.precision)
                .put("backend", contestant.backend).put("threads", contestant.threads)
                .put("height", model.height).put("width", model.width)
                .put("bytes", contestant.artefact.bytes).put("parameters", model.parameters).put("macs", model.macs)
                .put("weights", "trained").put("fg_iou_per_image", "").put("residency", contestant.residency)
                .put("median_ms", timing.medianMs).put("p90_ms", timing.p90Ms).put("iqr_ms", timing.iqrMs)
                .put("runs", timing.runs)
                .put("machine", device).put("python", "").put("versions", system),
        )
    }
    return JSONObject()
        .put("experiment", "latency").put("heat_before", heatBefore).put("heat_after", heatAfter).put("rows", rows)
        .toString(2)
}
