package portraitnet.core

/** What [Resizer] does, for packed ARGB pixels; what comes out is opaque. */
class PixelResizer(sourceHeight: Int, private val sourceWidth: Int, val height: Int, val width: Int) {
    private val rows: Axis
    private val columns: Axis

    init {
        val (down, across) = Taps.resizing(sourceHeight, sourceWidth, height, width)
        rows = Axis(down, sourceHeight)
        columns = Axis(across, sourceWidth)
    }

    /** What one thread works in, for one picture. */
    inner class Row internal constructor() {
        internal val pairs = IntArray(sourceWidth) // sums of red and blue, 16 bits each
        internal val greens = IntArray(sourceWidth)
        internal val whole = Array(3) { IntArray(sourceWidth) }
        internal val sums = FloatArray(sourceWidth)
        internal val channels = Array(3) { FloatArray(width) }
        internal val grown by lazy { TwoRows(Array(3) { IntArray(width) }, Array(3) { IntArray(width) }) }
        val packed = IntArray(width)
    }

    fun newRow() = Row()

    /** Row [y] of the resized [source] into [row]. */
    fun row(source: IntArray, y: Int, row: Row) {
        val down = rows.pairs
        val across = columns.pairs
        if (down != null && across != null) return grow(source, y, row, down, across)
        for (sums in row.whole) sums.fill(0)
        addRows(source, y, row)
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

    /** The whole of [source] into [target]. */
    fun resize(source: IntArray, target: IntArray, workers: Workers = Workers(1)) = workers.rows(height) { from, until ->
        val row = newRow()
        for (y in from until until) {
            row(source, y, row)
            row.packed.copyInto(target, y * width)
        }
    }

    /** The weighted old rows of new row [y]. Rows of one weight are summed first, two channels at a time. */
    private fun addRows(source: IntArray, y: Int, row: Row) {
        val taps = rows.taps
        val until = taps.offsets[y + 1]
        var tap = taps.offsets[y]
        while (tap < until) {
            val weight = taps.whole[tap]
            val start = (taps.first[y] + tap - taps.offsets[y]) * sourceWidth
            var count = 1
            while (count < MOST && tap + count < until && taps.whole[tap + count] == weight) count++
            row.pairs.fill(0)
            row.greens.fill(0)
            for (i in 0 until count) add(source, start + i * sourceWidth, row.pairs, row.greens)
            spread(row.pairs, row.greens, weight, row.whole)
            tap += count
        }
    }

    private fun add(source: IntArray, start: Int, pairs: IntArray, greens: IntArray) {
        for (x in pairs.indices) pairs[x] += source[start + x] and 0xff00ff
        for (x in greens.indices) greens[x] += (source[start + x] shr 8) and 255
    }

    private fun spread(pairs: IntArray, greens: IntArray, weight: Int, into: Array<IntArray>) {
        val (red, green, blue) = into
        for (x in red.indices) red[x] += weight * (pairs[x] ushr 16)
        for (x in green.indices) green[x] += weight * greens[x]
        for (x in blue.indices) blue[x] += weight * (pairs[x] and 0xffff)
    }

    private fun grow(source: IntArray, y: Int, row: Row, down: Axis.Pairs, across: Axis.Pairs) {
        fun resized(old: Int) = row.grown.row(old) { across(source, old * sourceWidth, across, it) }
        val (red, green, blue) = resized(down.first[y])
        val (lowRed, lowGreen, lowBlue) = resized(down.second[y])
        val share = down.whole[y]
        val packed = row.packed
        for (x in packed.indices) {
            packed[x] = packed(
                between(red[x], lowRed[x], share), between(green[x], lowGreen[x], share), between(blue[x], lowBlue[x], share),
            )
        }
    }

    private fun across(source: IntArray, start: Int, pairs: Axis.Pairs, into: Array<IntArray>) {
        val (red, green, blue) = into
        for (x in red.indices) {
            val left = source[start + pairs.first[x]]
            val right = source[start + pairs.second[x]]
            val share = pairs.whole[x]
            red[x] = mixed((left shr 16) and 255, (right shr 16) and 255, share)
            green[x] = mixed((left shr 8) and 255, (right shr 8) and 255, share)
            blue[x] = mixed(left and 255, right and 255, share)
        }
    }

    private fun mixed(left: Int, right: Int, share: Int) = left * Axis.Pairs.ONE + share * (right - left)

    private companion object {
        const val MOST = 256 // rows whose sums of bytes are in 16 bits
    }
}
