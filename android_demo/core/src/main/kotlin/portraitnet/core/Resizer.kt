package portraitnet.core

/**
 * Resizes planes of one size to another, as runtime/geometry.py does; bytes or floats, [channels] of them interleaved.
 * Its tables and rows are made once.
 */
class Resizer(sourceHeight: Int, sourceWidth: Int, val height: Int, val width: Int, private val channels: Int = 1) {
    private val rows: Taps
    private val columns: Taps
    private val sums = FloatArray(sourceWidth * channels)
    private val stride = sourceWidth * channels

    init {
        val (down, across) = Taps.resizing(sourceHeight, sourceWidth, height, width)
        rows = down
        columns = across
    }

    /** [source] (its height x width x channels, from [offset], rows [rowStride] apart) into [target]. */
    fun resize(source: FloatArray, target: FloatArray, offset: Int = 0, rowStride: Int = stride) =
        each({ source[it] }, offset, rowStride) { place, value -> target[place] = value }

    /** The same for bytes 0..255, rounded. */
    fun resize(source: ByteArray, target: ByteArray) =
        each({ (source[it].toInt() and 255).toFloat() }, 0, stride) { place, value -> target[place] = byteOf(value) }

    private inline fun each(from: (Int) -> Float, offset: Int, rowStride: Int, give: (Int, Float) -> Unit) {
        for (row in 0 until height) {
            sums.fill(0f)
            for (tap in rows.offsets[row] until rows.offsets[row + 1]) {
                val weight = rows.weights[tap]
                val start = offset + (rows.first[row] + tap - rows.offsets[row]) * rowStride
                for (i in sums.indices) sums[i] += weight * from(start + i)
            }
            for (column in 0 until width) {
                for (channel in 0 until channels) {
                    var total = 0f
                    var place = columns.first[column] * channels + channel
                    for (tap in columns.offsets[column] until columns.offsets[column + 1]) {
                        total += columns.weights[tap] * sums[place]
                        place += channels
                    }
                    give((row * width + column) * channels + channel, total)
                }
            }
        }
    }
}
