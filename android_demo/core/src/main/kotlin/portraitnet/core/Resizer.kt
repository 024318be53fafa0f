package portraitnet.core

/** How one axis of a picture is resized. [pairs] is there where each new pixel is made of one or two old ones. */
internal class Axis(val taps: Taps, length: Int) {
    val pairs: Pairs? = if (taps.most > 2) null else Pairs(taps, length)

    /** Each new pixel's two old ones, and the second one's share: of 1, and in 1 / [Pairs.ONE]. */
    class Pairs(taps: Taps, length: Int) {
        val first = IntArray(taps.count) { minOf(taps.first[it], maxOf(0, length - 2)) }
        val second = IntArray(taps.count) { minOf(first[it] + 1, length - 1) }
        val share = FloatArray(taps.count) { i ->
            val single = taps.offsets[i + 1] - taps.offsets[i] == 1
            if (!single) taps.weights[taps.offsets[i] + 1] else if (taps.first[i] > first[i]) 1f else 0f
        }
        val whole = IntArray(taps.count) { Math.round(share[it] * ONE) }

        companion object {
            const val BITS = 11 // twice, and eight of a byte, are in an Int
            const val ONE = 1 shl BITS
        }
    }

    /** [from] into [into], from one value a pixel. */
    fun apply(from: FloatArray, into: FloatArray) {
        for (i in into.indices) {
            var total = 0f
            var place = taps.first[i]
            for (tap in taps.offsets[i] until taps.offsets[i + 1]) total += taps.weights[tap] * from[place++]
            into[i] = total
        }
    }
}

/** Two rows of an old picture, resized across, by their number: the next new row mostly lies between the same two. */
internal class TwoRows<T>(one: T, other: T) {
    private val rows = listOf(one, other)
    private val held = intArrayOf(-1, -1)

    /** Old row [y]; [fill] makes it where it is not there yet. */
    fun row(y: Int, fill: (T) -> Unit): T {
        val place = y and 1
        if (held[place] != y) {
            fill(rows[place])
            held[place] = y
        }
        return rows[place]
    }
}

/**
 * Resizes planes of one size to another, as runtime/geometry.py does; bytes or floats, one value a pixel.
 * A row of the result at a time, so that several threads can share the rows. Growth goes across first, which is done once for each
 * old row; shrinking down first, which leaves little to do across.
 */
class Resizer(sourceHeight: Int, private val sourceWidth: Int, val height: Int, val width: Int) {
    private val rows: Axis
    private val columns: Axis

    init {
        val (down, across) = Taps.resizing(sourceHeight, sourceWidth, height, width)
        rows = Axis(down, sourceHeight)
        columns = Axis(across, sourceWidth)
    }

    /** What one thread works in, for one picture. */
    inner class Row internal constructor() {
        internal val whole = IntArray(sourceWidth)
        internal val sums = FloatArray(sourceWidth)
        internal val bytes by lazy { TwoRows(IntArray(width), IntArray(width)) }
        internal val mixed by lazy { IntArray(width) }
        internal val floats by lazy { TwoRows(FloatArray(width), FloatArray(width)) }
        val values = FloatArray(width)
    }

    fun newRow() = Row()

    /** Row [y] of the resized [source] into [row], as floats. */
    fun row(source: FloatArray, y: Int, row: Row) {
        val down = rows.pairs
        val across = columns.pairs
        if (down != null && across != null) {
            fun resized(old: Int) = row.floats.row(old) { grow(source, old * sourceWidth, across, it) }
            val upper = resized(down.first[y])
            val lower = resized(down.second[y])
            val share = down.share[y]
            val values = row.values
            for (x in values.indices) values[x] = upper[x] + share * (lower[x] - upper[x])
            return
        }
        val sums = row.sums
        sums.fill(0f)
        val taps = rows.taps
        for (tap in taps.offsets[y] until taps.offsets[y + 1]) {
            val weight = taps.weights[tap]
            val start = (taps.first[y] + tap - taps.offsets[y]) * sourceWidth
            for (x in 0 until sourceWidth) sums[x] += weight * source[start + x]
        }
        columns.apply(sums, row.values)
    }

    /** The whole of [source] into [target]. */
    fun resize(source: FloatArray, target: FloatArray) {
        val row = newRow()
        for (y in 0 until height) {
            row(source, y, row)
            row.values.copyInto(target, y * width)
        }
    }

    /** The same for bytes 0..255, rounded. */
    fun resize(source: ByteArray, target: ByteArray, workers: Workers = Workers(1)) = workers.rows(height) { from, until ->
        val row = newRow()
        for (y in from until until) bytes(source, y, row, target)
    }

    private fun bytes(source: ByteArray, y: Int, row: Row, target: ByteArray) {
        val down = rows.pairs
        val across = columns.pairs
        val start = y * width
        if (down != null && across != null) {
            fun resized(old: Int) = row.bytes.row(old) { grow(source, old * sourceWidth, across, it) }
            val upper = resized(down.first[y])
            val lower = resized(down.second[y])
            val share = down.whole[y]
            val mixed = row.mixed
            for (x in mixed.indices) mixed[x] = between(upper[x], lower[x], share) // several at a time, which bytes are not
            for (x in mixed.indices) target[start + x] = mixed[x].toByte()
            return
        }
        val whole = row.whole
        whole.fill(0)
        val taps = rows.taps
        for (tap in taps.offsets[y] until taps.offsets[y + 1]) {
            val weight = taps.whole[tap]
            val old = (taps.first[y] + tap - taps.offsets[y]) * sourceWidth
            for (x in 0 until sourceWidth) whole[x] += weight * (source[old + x].toInt() and 255)
        }
        for (x in 0 until sourceWidth) row.sums[x] = whole[x] * (1f / Taps.ONE)
        columns.apply(row.sums, row.values)
        for (x in 0 until width) target[start + x] = byteOf(row.values[x])
    }

    private fun grow(source: FloatArray, start: Int, pairs: Axis.Pairs, into: FloatArray) {
        for (x in into.indices) {
            val left = source[start + pairs.first[x]]
            into[x] = left + pairs.share[x] * (source[start + pairs.second[x]] - left)
        }
    }

    private fun grow(source: ByteArray, start: Int, pairs: Axis.Pairs, into: IntArray) {
        for (x in into.indices) {
            val left = source[start + pairs.first[x]].toInt() and 255
            val right = source[start + pairs.second[x]].toInt() and 255
            into[x] = left * Axis.Pairs.ONE + pairs.whole[x] * (right - left)
        }
    }
}

/** Between two values times [Axis.Pairs.ONE], rounded to a whole one. */
internal fun between(one: Int, other: Int, share: Int): Int =
    (one * (Axis.Pairs.ONE - share) + other * share + (1 shl (2 * Axis.Pairs.BITS - 1))) shr (2 * Axis.Pairs.BITS)
