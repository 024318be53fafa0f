package portraitnet.core

import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

/**
 * What each of the new pixels along one axis is made of: new pixel i is the sum of weights
 * [weights] [ [offsets] [i] until [offsets] [i + 1] ] times the old pixels from [first] [i] on.
 */
class Taps private constructor(val length: Int, val first: IntArray, val offsets: IntArray, val weights: FloatArray) {
    /** The number of new pixels. */
    val count: Int get() = first.size

    /** The most old pixels that any new one is made of. */
    val most: Int = (0 until first.size).maxOfOrNull { tapsOf(it) } ?: 0

    /** The weights as whole numbers of 1 / [ONE], whose sums are exactly [ONE]: such loops run several pixels at a time. */
    val whole: IntArray by lazy {
        val found = IntArray(weights.size) { Math.round(weights[it] * ONE) }
        for (i in first.indices) {
            val range = offsets[i] until offsets[i + 1]
            val largest = range.maxByOrNull { found[it] } ?: continue
            found[largest] += ONE - range.sumOf { found[it] }
        }
        found
    }

    private fun tapsOf(i: Int) = offsets[i + 1] - offsets[i]

    companion object {
        const val ONE = 4096

        /** Pixels of a picture whose areas are averaged exactly: runtime/geometry.py's _SMALL. */
        private const val SMALL = 1 shl 16

        /**
         * Rows and columns of a picture that is resized, as runtime/geometry.py does: bilinear along a side that grows. One
         * that shrinks is halved first, while both are even and three times as large or more; then it is sampled by bilinear
         * weights at a multiple of its new size that leaves out no pixels, and halved again. Of a small picture, and
         * where there is no such multiple, each new pixel is the mean of the area that it covers.
         */
        fun resizing(sourceHeight: Int, sourceWidth: Int, height: Int, width: Int): Pair<Taps, Taps> {
            val shrinks = height <= sourceHeight && width <= sourceWidth
            if (shrinks && sourceHeight * sourceWidth <= SMALL) return along(sourceHeight, height) to along(sourceWidth, width)
            var halvings = 0
            var tall = sourceHeight
            var wide = sourceWidth
            while (shrinks && tall >= 3 * height && wide >= 3 * width && tall % 2 == 0 && wide % 2 == 0) {
                halvings += 1
                tall /= 2
                wide /= 2
            }
            // A side that grows is resized after one that shrinks, and does not count.
            val times = bilinearMultiple(max(1.0, tall.toDouble() / height), max(1.0, wide.toDouble() / width))
            fun axis(source: Int, target: Int): Taps {
                if (times == 0) return along(source, target)
                var taps = bilinear(source, times * target)
                while (taps.count > target) taps = taps.inPairs()
                return taps
            }
            return axis(tall, height).spread(1 shl halvings) to axis(wide, width).spread(1 shl halvings)
        }

        /** How many times the new size bilinear sampling goes to; 0 where it would leave out too many pixels. */
        private fun bilinearMultiple(tall: Double, wide: Double): Int {
            val least = min(tall, wide)
            val most = max(tall, wide)
            if (least == 2.0 && most == 2.0) return 0 // the mean of four, without a step before it
            var times = 1
            while (least >= 1.5 * times) times *= 2
            return if (most <= (if (times == 1) 2.0 else 2.5 * times)) times else 0
        }

        private fun along(source: Int, target: Int): Taps = if (target <= source) areas(source, target) else bilinear(source, target)

        private fun areas(source: Int, target: Int): Taps = build(source, target) { i ->
            val scale = source.toDouble() / target
            val start = i * scale
            val end = min(source.toDouble(), start + scale)
            val from = floor(start + 1e-9).toInt()
            val last = min(source - 1, floor(end - 1e-9).toInt())
            from to FloatArray(last - from + 1) { tap ->
                ((min(end, from + tap + 1.0) - max(start, (from + tap).toDouble())) / scale).toFloat()
            }
        }

        private fun bilinear(source: Int, target: Int): Taps = build(source, target) { i ->
            val place = ((i + 0.5) * source / target - 0.5).coerceIn(0.0, source - 1.0)
            val from = min(place.toInt(), max(0, source - 2))
            val share = (place - from).toFloat()
            from to if (source == 1 || share == 0f) floatArrayOf(1f) else floatArrayOf(1 - share, share)
        }

        private fun build(length: Int, count: Int, tap: (Int) -> Pair<Int, FloatArray>): Taps {
            val made = List(count, tap)
            val offsets = IntArray(count + 1)
            for (i in 0 until count) offsets[i + 1] = offsets[i] + made[i].second.size
            val weights = FloatArray(offsets[count])
            for (i in 0 until count) made[i].second.copyInto(weights, offsets[i])
            return Taps(length, IntArray(count) { made[it].first }, offsets, weights)
        }
    }

    /** Half as many new pixels: the mean of each two. */
    private fun inPairs(): Taps = build(length, count / 2) { i ->
        val (one, other) = 2 * i to 2 * i + 1
        val merged = FloatArray(first[other] + tapsOf(other) - first[one])
        for (new in one..other) for (tap in 0 until tapsOf(new)) {
            merged[first[new] - first[one] + tap] += weights[offsets[new] + tap] / 2
        }
        first[one] to merged
    }

    /** The same, of an axis on which each old pixel is [factor] pixels long. */
    private fun spread(factor: Int): Taps = if (factor == 1) this else build(length * factor, count) { i ->
        first[i] * factor to FloatArray(tapsOf(i) * factor) { weights[offsets[i] + it / factor] / factor }
    }
}
