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

/** The upright size, height to width, of a picture of [height] x [width]. */
fun Orientation.upright(height: Int, width: Int): Pair<Int, Int> = if (degrees % 180 == 0) height to width else width to height

/** A plane's bytes in an array of its own, copied at one go: a read of a direct buffer byte by byte is several times slower. */
internal class PlaneCopy {
    var bytes = ByteArray(0)
        private set
    var rowStride = 0
        private set
    var pixelStride = 0
        private set

    fun take(plane: Plane) {
        val source = plane.bytes.duplicate().apply { rewind() }
        if (bytes.size < source.remaining()) bytes = ByteArray(source.remaining())
        source.get(bytes, 0, source.remaining())
        rowStride = plane.rowStride
        pixelStride = plane.pixelStride
    }
}

/** Where in the sensor's picture the upright picture's ([x], [y]) lies; all from 0 to 1. */
fun Orientation.sensorPlace(x: Float, y: Float): Pair<Float, Float> {
    val across = if (mirror) 1 - x else x
    return when (degrees) {
        90 -> y to 1 - across
        180 -> 1 - across to 1 - y
        270 -> 1 - y to across
        else -> across to y
    }
}
