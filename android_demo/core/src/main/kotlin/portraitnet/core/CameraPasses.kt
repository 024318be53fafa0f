package portraitnet.core

import kotlin.math.abs

/**
 * The pass that draws `frame`, the upright picture, from a camera's planes: textures `luma`, `first` and `second` (U and V), one
 * byte a sample. [chroma] is the byte of a sample's texel: 0 or 1, where U and V take turns.
 */
fun planesPass(crop: Crop, orientation: Orientation, chroma: Pair<Int, Int> = 0 to 0): Pass {
    val (height, width) = orientation.upright(crop.height, crop.width)
    // The sensor's pixel that the frame's pixel (column, row) shows.
    fun place(column: Int, row: Int): Pair<Int, Int> {
        val x = if (orientation.mirror) width - 1 - column else column
        return when (orientation.degrees) {
            0 -> x to row
            90 -> row to crop.height - 1 - x
            180 -> crop.width - 1 - x to height - 1 - row
            else -> crop.width - 1 - row to x
        }
    }
    val (x, y) = place(0, 0)
    fun step(other: Pair<Int, Int>) = intArrayOf(other.first - x, other.second - y)
    return Pass(
        "camera", listOf("frame"), mapOf("luma" to "luma", "first" to "first", "second" to "second"),
        mapOf(
            "origin" to intArrayOf(crop.left + x, crop.top + y),
            "right" to step(place(1, 0)), "down" to step(place(0, 1)),
            "chroma" to intArrayOf(chroma.first, chroma.second),
        ),
    )
}

/**
 * How a camera's frame of [bufferHeight] x [bufferWidth] lies in an external texture. [matrix] is SurfaceTexture's: 4 x 4, column
 * by column, from places in the picture (0, 0 at its lower left) to places in the texture. It crops, turns and mirrors the
 * buffer; [orientation] is what is left to do after it.
 */
class TextureView(bufferHeight: Int, bufferWidth: Int, private val matrix: FloatArray, private val orientation: Orientation) {
    /** The upright picture's size. */
    val height: Int
    val width: Int

    init {
        require(matrix.size == 16) { "the matrix has ${matrix.size} of 16 values" }
        // Where a step to the right in the picture is one along the buffer's columns, the matrix turns by a quarter.
        val isTurned = abs(matrix[1]) > abs(matrix[0])
        val (tall, wide) = Orientation(if (isTurned) 90 else 0, false).upright(bufferHeight, bufferWidth)
        val size = orientation.upright(tall, wide)
        height = size.first
        width = size.second
    }

    /** The pass that draws `frame`, the upright picture, from the external texture `camera`. */
    fun pass(): Pass {
        val origin = place(0f, 0f)
        fun step(x: Float, y: Float) = place(x, y).let { floatArrayOf(it[0] - origin[0], it[1] - origin[1]) }
        return Pass(
            "external", listOf("frame"), mapOf("camera" to "camera"),
            mapOf("origin" to origin, "right" to step(1f, 0f), "down" to step(0f, 1f)),
        )
    }

    /** Where in the texture the upright picture's ([x], [y]) lies; (0, 0) is its upper left corner, (1, 1) its lower right one. */
    private fun place(x: Float, y: Float): FloatArray {
        val (across, down) = orientation.sensorPlace(x, y)
        return FloatArray(2) { matrix[it] * across + matrix[4 + it] * (1 - down) + matrix[12 + it] }
    }
}

/**
 * What is left to turn after SurfaceTexture's matrix. A stream straight from the camera has a matrix that puts the picture upright
 * on a screen as it is held by nature, mirrored for a front camera: [display] (the screen's turn, 0, 90, 180 or 270 degrees) is
 * left. One that CameraX processed ([fromCamera] is false) has all of [degrees] and [mirror] left.
 */
fun orientationAfterMatrix(display: Int, fromCamera: Boolean, degrees: Int, mirror: Boolean): Orientation =
    if (fromCamera) Orientation((360 - display) % 360, false) else Orientation(degrees, mirror)
