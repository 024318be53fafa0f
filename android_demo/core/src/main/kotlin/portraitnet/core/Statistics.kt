package portraitnet.core

import kotlin.math.floor
import kotlin.math.min

/** The last [capacity] durations of one stage, in nanoseconds; nothing is allocated by [add]. */
class Durations(private val capacity: Int = 120) {
    private val ring = LongArray(capacity)
    private var next = 0

    /** How many durations are held. */
    var count = 0
        private set

    fun add(nanoseconds: Long) {
        ring[next] = nanoseconds
        next = (next + 1) % capacity
        count = min(count + 1, capacity)
    }

    /** The value below which [percent] of them lie, in milliseconds, interpolated; 0 when there are none. */
    fun percentile(percent: Double): Double = percentileOf(ring.copyOf(count).map { it / 1e6 }, percent)
}

/** Frames per second over the last [capacity] frames. */
class FrameRate(private val capacity: Int = 60) {
    private val times = LongArray(capacity)
    private var count = 0L

    /** A frame was shown at [nanoseconds]. */
    fun tick(nanoseconds: Long) {
        times[(count++ % capacity).toInt()] = nanoseconds
    }

    /** 0 until two frames were shown. */
    fun perSecond(): Double {
        val held = min(count, capacity.toLong())
        if (held < 2) return 0.0
        val newest = times[((count - 1) % capacity).toInt()]
        val oldest = times[((count - held) % capacity).toInt()]
        return if (newest > oldest) (held - 1) * 1e9 / (newest - oldest) else 0.0
    }
}

/** Milliseconds of each stage of a frame, and pictures per second. */
class StageTimes {
    val reading = Durations()
    val inference = Durations()
    val compositing = Durations()
    val rate = FrameRate()
}

/** Do [work], and add what it took to [stage]. */
inline fun timed(stage: Durations, work: () -> Unit) {
    val start = System.nanoTime()
    work()
    stage.add(System.nanoTime() - start)
}

internal fun percentileOf(values: List<Double>, percent: Double): Double {
    if (values.isEmpty()) return 0.0
    val sorted = values.sorted()
    val place = percent / 100 * (sorted.size - 1)
    val below = floor(place).toInt()
    val above = min(below + 1, sorted.size - 1)
    return sorted[below] + (place - below) * (sorted[above] - sorted[below])
}
