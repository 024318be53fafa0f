package portraitnet.core

/** Lays upright pictures of one size into a model's input, as RGB bytes (height x width x 3) of the target. */
class ModelInput(
    height: Int, width: Int, targetHeight: Int, targetWidth: Int, geometry: String = LETTERBOX,
    private val workers: Workers = Workers(1),
) {
    /** Where the picture lies in the target. */
    val letterbox = Letterbox.fit(height, width, targetHeight, targetWidth, geometry)
    private val resizer = PixelResizer(height, width, letterbox.height, letterbox.width)

    /** Fill [rgb] from ARGB [pixels]; what the picture does not cover is grey ([PAD_VALUE]). */
    fun fill(pixels: IntArray, rgb: ByteArray) {
        require(rgb.size >= 3 * letterbox.targetHeight * letterbox.targetWidth) { "the target has more pixels than that" }
        if (letterbox.height < letterbox.targetHeight || letterbox.width < letterbox.targetWidth) rgb.fill(PAD_VALUE.toByte())
        workers.rows(letterbox.height) { from, until ->
            val row = resizer.newRow()
            for (y in from until until) {
                resizer.row(pixels, y, row)
                var place = 3 * ((letterbox.top + y) * letterbox.targetWidth + letterbox.left)
                for (pixel in row.packed) {
                    rgb[place] = (pixel shr 16).toByte()
                    rgb[place + 1] = (pixel shr 8).toByte()
                    rgb[place + 2] = pixel.toByte()
                    place += 3
                }
            }
        }
    }
}
