package portraitnet.core

/** The two ways in which a picture fills a model's input, as contracts name them. */
const val LETTERBOX = "letterbox-128-centred"
const val STRETCH = "stretch"

/** Values around a picture that does not fill the model's input. */
const val PAD_VALUE = 128

/**
 * How an upright picture of [sourceHeight] x [sourceWidth] lies in a model's input of [targetHeight] x [targetWidth]: it
 * fills [height] rows from [top] and [width] columns from [left], centred, its shape kept; or all of it.
 * The same rules as runtime/geometry.py, to the pixel.
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
        /** The largest centred placement, or all of the input. Throws IllegalArgumentException for a size below one pixel. */
        fun fit(
            sourceHeight: Int, sourceWidth: Int, targetHeight: Int, targetWidth: Int, geometry: String = LETTERBOX,
        ): Letterbox {
            require(minOf(minOf(sourceHeight, sourceWidth), minOf(targetHeight, targetWidth)) >= 1) {
                "sizes must be at least 1 pixel, got $sourceHeight x $sourceWidth into $targetHeight x $targetWidth"
            }
            if (geometry == STRETCH) {
                return Letterbox(sourceHeight, sourceWidth, targetHeight, targetWidth, 0, 0, targetHeight, targetWidth)
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
