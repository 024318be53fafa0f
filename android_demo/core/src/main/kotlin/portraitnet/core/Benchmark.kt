package portraitnet.core

/** Milliseconds of [runs] counted calls. */
data class Timing(val medianMs: Double, val p90Ms: Double, val p99Ms: Double, val iqrMs: Double, val runs: Int)

/** What is timed: one call is one inference on the same input. */
class Contestant(
    val model: ModelContract,
    val artefact: Artefact,
    val backend: String, // CPU (XNNPACK) or GPU
    val threads: Int,
    val residency: String, // operators that the delegate took, of all, and in how many pieces: "122/124 in 1"
    val firstMs: Double, // from opening the file to the first result
    val call: () -> Unit,
)

/**
 * Warm-up for [warmupMs] at least and [warmupRounds] rounds, then [runs] rounds in which every contestant is called once, in
 * an order that turns with each round: what the phone does meanwhile meets all of them.
 */
class BenchmarkSchedule(
    private val runs: Int = 100,
    private val warmupMs: Long = 2000,
    private val warmupRounds: Int = 3,
    private val clock: () -> Long = System::nanoTime,
) {
    /** Timings in the order of [contestants]. [onRound] hears the share that is done; it may throw to stop. */
    fun time(contestants: List<() -> Unit>, onRound: (Double) -> Unit = {}): List<Timing> {
        val times = contestants.map { ArrayList<Double>(runs) }
        val start = clock()
        var round = 0
        while (round < warmupRounds || clock() - start < warmupMs * 1_000_000) {
            contestants.forEach { it() }
            round += 1
        }
        for (counted in 0 until runs) {
            for (turn in contestants.indices) {
                val which = (turn + counted) % contestants.size
                val before = clock()
                contestants[which]()
                times[which].add((clock() - before) / 1e6)
            }
            onRound((counted + 1.0) / runs)
        }
        return times.map { all ->
            Timing(
                percentileOf(all, 50.0), percentileOf(all, 90.0), percentileOf(all, 99.0),
                percentileOf(all, 75.0) - percentileOf(all, 25.0), all.size,
            )
        }
    }
}

/** A stretch of a sustained run: calls per second, their median, and the phone's thermal headroom (1 is the limit). */
data class Stretch(val second: Int, val rate: Double, val medianMs: Double, val headroom: Double?)

/** One call after the other for [seconds], which shows what heat does to the rate. */
class SustainedRun(
    private val seconds: Int = 300, private val stretch: Int = 10, private val clock: () -> Long = System::nanoTime,
) {
    /** A [Stretch] for every [stretch] seconds. [onStretch] hears each; it may throw to stop. */
    fun run(headroom: () -> Double?, onStretch: (Stretch) -> Unit = {}, call: () -> Unit): List<Stretch> {
        val found = ArrayList<Stretch>()
        val start = clock()
        while (found.size * stretch < seconds) {
            val begin = clock()
            val end = start + (found.size + 1L) * stretch * 1_000_000_000
            val times = ArrayList<Double>()
            var now = begin
            while (now < end) {
                call()
                val after = clock()
                times.add((after - now) / 1e6)
                now = after
            }
            if (times.isEmpty()) { // one call was longer than a stretch
                found.add(Stretch((found.size + 1) * stretch, 0.0, 0.0, headroom()))
            } else {
                found.add(Stretch((found.size + 1) * stretch, times.size * 1e9 / (now - begin), percentileOf(times, 50.0), headroom()))
            }
            onStretch(found.last())
        }
        return found
    }
}

/** What of /proc/cpuinfo says how fast int8 will be: dotprod and i8mm, where every core has them. */
fun cpuFeatures(cpuinfo: String): List<String> {
    val cores = cpuinfo.lineSequence().filter { it.startsWith("Features") }.map { it.substringAfter(':').trim().split(' ').toSet() }.toList()
    return mapOf("asimddp" to "dotprod", "i8mm" to "i8mm", "avx512_vnni" to "vnni")
        .filterKeys { key -> cores.isNotEmpty() && cores.all { key in it } }.values.toList()
}
