package portraitnet.core

/** How one axis of a picture is resized, and the plain loop for bilinear growth, where each new pixel has two old ones. */
internal class Axis(val taps: Taps, length: Int) {
    /** For each new pixel the first of its two old ones, and the second one's share; null where there are more. */
    val pairs: Pair<IntArray, FloatArray>? = if (taps.most > 2) null else {
        val first = IntArray(taps.count) { minOf(taps.first[it], maxOf(0, length - 2)) }
        val share = FloatArray(taps.count) { i ->
            val single = taps.offsets[i + 1] - taps.offsets[i] == 1
            if (!single) taps.weights[taps.offsets[i] + 1] else if (taps.first[i] > first[i]) 1f else 0f
        }
        first to share
    }

    /** [from] (its old pixels, one more than [length]) into [into], from one value a pixel. */
    fun apply(from: FloatArray, into: FloatArray) {
        val pairs = pairs
        if (pairs != null) {
            val (first, share) = pairs
            for (i in into.indices) {
                val left = from[first[i]]
                into[i] = left + share[i] * (from[first[i] + 1] - left)
            }
            return
        }
        for (i in into.indices) {
            var total = 0f
            var place = taps.first[i]
            for (tap in taps.offsets[i] until taps.offsets[i + 1]) total += taps.weights[tap] * from[place++]
            into[i] = total
        }
    }
}

/**
 * Resizes planes of one size to another, as runtime/geometry.py does; bytes or floats, one value a pixel.
 * A row of the result at a time, so that several threads can share the rows.
 */
class Resizer(sourceHeight: Int, private val sourceWidth: Int, val height: Int, val width: Int) {
    private val rows: Taps
    private val columns: Axis

    init {
        val (down, across) = Taps.resizing(sourceHeight, sourceWidth, height, width)
        rows = down
        columns = Axis(across, sourceWidth)
    }

    /** What one thread works in. */
    inner class Row internal constructor() {
        internal val whole = IntArray(sourceWidth + 1)
        internal val sums = FloatArray(sourceWidth + 1)
        val values = FloatArray(width)
    }

    fun newRow() = Row()

    /** Row [y] of the resized [source] into [row], as floats. */
    fun row(source: ByteArray, y: Int, row: Row) {
        val whole = row.whole
        whole.fill(0)
        for (tap in rows.offsets[y] until rows.offsets[y + 1]) {
            val weight = rows.whole[tap]
            val start = (rows.first[y] + tap - rows.offsets[y]) * sourceWidth
            for (x in 0 until sourceWidth) whole[x] += weight * (source[start + x].toInt() and 255)
        }
        for (x in 0 until sourceWidth) row.sums[x] = whole[x] * (1f / Taps.ONE)
        columns.apply(row.sums, row.values)
    }

    /** The same for floats. */
    fun row(source: FloatArray, y: Int, row: Row) {
        val sums = row.sums
        sums.fill(0f)
        for (tap in rows.offsets[y] until rows.offsets[y + 1]) {
            val weight = rows.weights[tap]
            val start = (rows.first[y] + tap - rows.offsets[y]) * sourceWidth
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
        for (y in from until until) {
            row(source, y, row)
            for (x in 0 until width) target[y * width + x] = byteOf(row.values[x])
        }
    }
}

/** The same for packed ARGB pixels; what comes out is opaque. */
class PixelResizer(sourceHeight: Int, private val sourceWidth: Int, val height: Int, val width: Int) {
    private val rows: Taps
    private val columns: Axis

    init {
        val (down, across) = Taps.resizing(sourceHeight, sourceWidth, height, width)
        rows = down
        columns = Axis(across, sourceWidth)
    }

    /** What one thread works in. */
    inner class Row internal constructor() {
        internal val whole = Array(3) { IntArray(sourceWidth) }
        internal val sums = FloatArray(sourceWidth + 1)
        internal val channels = Array(3) { FloatArray(width) }
        val packed = IntArray(width)
    }

    fun newRow() = Row()

    /** Row [y] of the resized [source] into [row]. */
    fun row(source: IntArray, y: Int, row: Row) {
        val (red, green, blue) = row.whole
        for (sums in row.whole) sums.fill(0)
        for (tap in rows.offsets[y] until rows.offsets[y + 1]) {
            add(source, (rows.first[y] + tap - rows.offsets[y]) * sourceWidth, rows.whole[tap], red, green, blue)
        }
        for (c in 0 until 3) {
            val whole = row.whole[c]
            for (x in whole.indices) row.sums[x] = whole[x] * (1f / Taps.ONE)
            columns.apply(row.sums, row.channels[c])
        }
        val (r, g, b) = row.channels
        // Means of bytes: they stay in 0..255.
        for (x in row.packed.indices) {
            row.packed[x] = packed((r[x] + 0.5f).toInt(), (g[x] + 0.5f).toInt(), (b[x] + 0.5f).toInt())
        }
    }

    private fun add(source: IntArray, start: Int, weight: Int, red: IntArray, green: IntArray, blue: IntArray) {
        for (x in red.indices) red[x] += weight * ((source[start + x] shr 16) and 255)
        for (x in green.indices) green[x] += weight * ((source[start + x] shr 8) and 255)
        for (x in blue.indices) blue[x] += weight * (source[start + x] and 255)
    }

    /** The whole of [source] into [target]. */
    fun resize(source: IntArray, target: IntArray, workers: Workers = Workers(1)) = workers.rows(height) { from, until ->
        val row = newRow()
        for (y in from until until) {
            row(source, y, row)
            row.packed.copyInto(target, y * width)
        }
    }
}
