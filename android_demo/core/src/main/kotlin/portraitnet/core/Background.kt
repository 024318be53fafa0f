package portraitnet.core

import kotlin.math.max

/** What a person is put before. */
sealed interface Background {
    /** One colour. */
    data class Colour(val red: Int, val green: Int, val blue: Int) : Background

    /** A picture of any size (opaque ARGB, height x width), scaled and cropped to cover the frame. */
    class Picture(val height: Int, val width: Int, val pixels: IntArray) : Background

    /** The scene itself, out of focus: [strength] is the blur's sigma in percent of the longer side. */
    data class Blur(val strength: Double = 2.0) : Background

    /** The scene as it is: what the camera sees, to compare. */
    data object None : Background
}

/** The largest part of this picture with the shape of [height] x [width], at that size. */
fun Background.Picture.covering(height: Int, width: Int): IntArray {
    val scale = max(height.toDouble() / this.height, width.toDouble() / this.width)
    val tall = Math.rint(height / scale).toInt().coerceIn(1, this.height)
    val wide = Math.rint(width / scale).toInt().coerceIn(1, this.width)
    val top = (this.height - tall) / 2
    val left = (this.width - wide) / 2
    val cropped = IntArray(tall * wide)
    for (row in 0 until tall) {
        val start = (top + row) * this.width + left
        pixels.copyInto(cropped, row * wide, start, start + wide)
    }
    if (tall == height && wide == width) return cropped
    return IntArray(height * width).also { PixelResizer(tall, wide, height, width).resize(cropped, it) }
}
