package portraitnet.core

/** Values around a picture that does not fill the model's input. */
const val PAD_VALUE = 128

/**
 * How an upright picture of [sourceHeight] x [sourceWidth] lies in a model's input of [targetHeight] x [targetWidth]: it
 * fills [height] rows from [top] and [width] columns from [left], centred, its shape kept. The same rule as
 * runtime/geometry.py, to the pixel.
 */
data class Letterbox(
    val sourceHeight: Int,
    val sourceWidth: Int,
    val targetHeight: Int,
    val targetWidth: Int,
    val top: Int,
    val left: Int,
    val height: Int,
    val width: Int,
) {
    companion object {
        /** The largest centred placement. Throws IllegalArgumentException for a size below one pixel. */
        fun fit(sourceHeight: Int, sourceWidth: Int, targetHeight: Int, targetWidth: Int): Letterbox {
            require(minOf(minOf(sourceHeight, sourceWidth), minOf(targetHeight, targetWidth)) >= 1) {
                "sizes must be at least 1 pixel, got $sourceHeight x $sourceWidth into $targetHeight x $targetWidth"
            }
            val scale = minOf(targetHeight.toDouble() / sourceHeight, targetWidth.toDouble() / sourceWidth)
            val height = (sourceHeight * scale + 0.5).toInt().coerceIn(1, targetHeight)
            val width = (sourceWidth * scale + 0.5).toInt().coerceIn(1, targetWidth)
            val top = (targetHeight - height) / 2
            val left = (targetWidth - width) / 2
            return Letterbox(sourceHeight, sourceWidth, targetHeight, targetWidth, top, left, height, width)
        }
    }
}
