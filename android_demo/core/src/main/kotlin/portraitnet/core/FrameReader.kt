package portraitnet.core

import java.nio.ByteBuffer

/** One plane of a camera's picture: the value of column x in row y lies at y * [rowStride] + x * [pixelStride]. */
class Plane(val bytes: ByteBuffer, val rowStride: Int, val pixelStride: Int)

/** A camera's picture as the sensor lies: [width] x [height], not turned upright yet. */
sealed class Frame(val width: Int, val height: Int)

/** YUV_420_888, any strides: chroma has half the rows and columns. BT.601, full range, as cameras give. */
class YuvFrame(width: Int, height: Int, val y: Plane, val u: Plane, val v: Plane) : Frame(width, height)

/** RGBA_8888, any row stride. */
class RgbaFrame(width: Int, height: Int, val plane: Plane) : Frame(width, height)

/** The part of a sensor's picture that is used. Left and top are even, so that chroma is cut where luma is. */
data class Crop(val left: Int, val top: Int, val width: Int, val height: Int)

/** How a sensor's picture is turned: clockwise by [degrees] (0, 90, 180, 270), then mirrored left to right. */
data class Orientation(val degrees: Int, val mirror: Boolean)

/**
 * Reads frames of one geometry, upright and laid into the target, as RGB bytes (height x width x 3) of the target.
 *
 * All tables and rows are made once; [read] allocates nothing. Each source pixel is looked at once, however much it
 * shrinks, so nothing aliases.
 */
class FrameReader(
    crop: Crop, orientation: Orientation, targetHeight: Int, targetWidth: Int, geometry: String = LETTERBOX,
) {
    private val crop = crop
    private val turned = orientation.degrees % 180 != 0

    /** Where the upright picture lies in the target. */
    val letterbox: Letterbox

    private val rows: Taps // along the sensor's columns of pixels, downwards
    private val columns: Taps
    private val chromaRows: Taps
    private val chromaColumns: Taps
    private val sums: Array<FloatArray>

    init {
        require(orientation.degrees in listOf(0, 90, 180, 270)) { "cannot turn by ${orientation.degrees} degrees" }
        require(crop.left % 2 == 0 && crop.top % 2 == 0 && crop.left >= 0 && crop.top >= 0) { "$crop: even corner wanted" }
        val height = if (turned) crop.width else crop.height
        val width = if (turned) crop.height else crop.width
        letterbox = Letterbox.fit(height, width, targetHeight, targetWidth, geometry)
        val (upright, across) = Taps.resizing(height, width, letterbox.height, letterbox.width)
        val sideways = if (orientation.mirror) across.backwards() else across
        when (orientation.degrees) {
            0 -> { rows = upright; columns = sideways }
            90 -> { rows = sideways.reversed(); columns = upright }
            180 -> { rows = upright.reversed(); columns = sideways.reversed() }
            else -> { rows = sideways; columns = upright.reversed() }
        }
        chromaRows = rows.ofPairs(crop.top)
        chromaColumns = columns.ofPairs(crop.left)
        sums = Array(3) { FloatArray(crop.width + 2) }
    }

    /** Fill [out] with the target's pixels; what the picture does not cover is grey ([PAD_VALUE]). */
    fun read(frame: Frame, out: ByteArray) {
        require(out.size >= 3 * letterbox.targetHeight * letterbox.targetWidth) { "the target has more pixels than that" }
        require(crop.left + crop.width <= frame.width && crop.top + crop.height <= frame.height) {
            "$crop lies outside a picture of ${frame.width} x ${frame.height}"
        }
        if (letterbox.height < letterbox.targetHeight || letterbox.width < letterbox.targetWidth) {
            out.fill(PAD_VALUE.toByte())
        }
        for (row in 0 until rows.count) {
            when (frame) {
                is YuvFrame -> readYuv(frame, row, out)
                is RgbaFrame -> readRgba(frame, row, out)
            }
        }
    }

    private fun readYuv(frame: YuvFrame, row: Int, out: ByteArray) {
        addRows(frame.y, rows, row, crop.left, crop.top, crop.width, 0, sums[0])
        val chromaWidth = chromaColumns.length
        addRows(frame.u, chromaRows, row, crop.left / 2, crop.top / 2, chromaWidth, 0, sums[1])
        addRows(frame.v, chromaRows, row, crop.left / 2, crop.top / 2, chromaWidth, 0, sums[2])
        for (column in 0 until columns.count) {
            val y = sum(sums[0], columns, column)
            val u = sum(sums[1], chromaColumns, column) - 128f
            val v = sum(sums[2], chromaColumns, column) - 128f
            put(out, row, column, y + 1.402f * v, y - 0.344136f * u - 0.714136f * v, y + 1.772f * u)
        }
    }

    private fun readRgba(frame: RgbaFrame, row: Int, out: ByteArray) {
        for (channel in 0 until 3) addRows(frame.plane, rows, row, crop.left, crop.top, crop.width, channel, sums[channel])
        for (column in 0 until columns.count) {
            put(out, row, column, sum(sums[0], columns, column), sum(sums[1], columns, column), sum(sums[2], columns, column))
        }
    }

    /** The weighted sum of the sensor rows that make new row [row], into [into]. */
    private fun addRows(
        plane: Plane, taps: Taps, row: Int, left: Int, top: Int, width: Int, byte: Int, into: FloatArray,
    ) {
        into.fill(0f, 0, width)
        for (tap in taps.offsets[row] until taps.offsets[row + 1]) {
            val weight = taps.weights[tap]
            val y = top + taps.first[row] + tap - taps.offsets[row]
            var place = y * plane.rowStride + left * plane.pixelStride + byte
            for (x in 0 until width) {
                into[x] += weight * (plane.bytes.get(place).toInt() and 255)
                place += plane.pixelStride
            }
        }
    }

    private fun sum(values: FloatArray, taps: Taps, column: Int): Float {
        var total = 0f
        var place = taps.first[column]
        for (tap in taps.offsets[column] until taps.offsets[column + 1]) total += taps.weights[tap] * values[place++]
        return total
    }

    private fun put(out: ByteArray, row: Int, column: Int, red: Float, green: Float, blue: Float) {
        val y = letterbox.top + if (turned) column else row
        val x = letterbox.left + if (turned) row else column
        val place = 3 * (y * letterbox.targetWidth + x)
        out[place] = byteOf(red)
        out[place + 1] = byteOf(green)
        out[place + 2] = byteOf(blue)
    }
}

internal fun byteOf(value: Float): Byte = (value + 0.5f).toInt().coerceIn(0, 255).toByte()
