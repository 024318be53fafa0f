package portraitnet.core

/** The ways in which a picture fills a model's input, as contracts name them. */
const val LETTERBOX = "letterbox-128-centred"
const val STRETCH = "stretch-1.5-128-centred"

/** How much more one side may be stretched than the other, by geometry. */
val GEOMETRIES = mapOf(LETTERBOX to 1.0, STRETCH to 1.5, "stretch" to Double.POSITIVE_INFINITY)

/** Values around a picture that does not fill the model's input. */
const val PAD_VALUE = Constants.PAD

/**
 * How an upright picture of [sourceHeight] x [sourceWidth] lies in a model's input of [targetHeight] x [targetWidth]: it
 * fills [height] rows from [top] and [width] columns from [left], centred, its shape kept or not.
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
        /** The largest placement that [geometry] allows. Throws IllegalArgumentException for a size below one pixel. */
        fun fit(
            sourceHeight: Int, sourceWidth: Int, targetHeight: Int, targetWidth: Int, geometry: String = LETTERBOX,
        ): Letterbox {
            require(minOf(minOf(sourceHeight, sourceWidth), minOf(targetHeight, targetWidth)) >= 1) {
                "sizes must be at least 1 pixel, got $sourceHeight x $sourceWidth into $targetHeight x $targetWidth"
            }
            val limit = GEOMETRIES.getValue(geometry)
            val tall = targetHeight.toDouble() / sourceHeight
            val wide = targetWidth.toDouble() / sourceWidth
            val height = (sourceHeight * minOf(tall, limit * wide) + 0.5).toInt().coerceIn(1, targetHeight)
            val width = (sourceWidth * minOf(wide, limit * tall) + 0.5).toInt().coerceIn(1, targetWidth)
            val top = (targetHeight - height) / 2
            val left = (targetWidth - width) / 2
            return Letterbox(sourceHeight, sourceWidth, targetHeight, targetWidth, top, left, height, width)
        }
    }
}
