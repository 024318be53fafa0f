package portraitnet.core

import kotlin.math.round

/**
 * Alpha at the model's size, brought to the size of the upright picture: bytes 0..255.
 * The part that [letterbox] says is the picture's is taken out and resized, as Letterbox.undo does in Python.
 */
class AlphaMap(
    private val letterbox: Letterbox, height: Int, width: Int, private val workers: Workers = Workers(1),
) {
    /** The picture's part of the model's output, float 0..1, letterbox.height x letterbox.width. */
    val content = FloatArray(letterbox.height * letterbox.width)
    private val bytes = ByteArray(content.size)
    private val resizer = Resizer(letterbox.height, letterbox.width, height, width)

    /** Take the picture's part out of [alpha] (target height x width, 0..1) into [content]. */
    fun crop(alpha: FloatArray) {
        for (row in 0 until letterbox.height) {
            val start = (letterbox.top + row) * letterbox.targetWidth + letterbox.left
            alpha.copyInto(content, row * letterbox.width, start, start + letterbox.width)
        }
    }

    /** [content] at the picture's size into [target], as levelled bytes. */
    fun grow(target: ByteArray) {
        for (i in content.indices) bytes[i] = levels(content[i])
        resizer.resize(bytes, target, workers)
    }
}

/** Alpha 0..1 as a byte for compositing: nearly nothing is nothing, nearly all is all, as runtime/compositing/levels.py has it. */
internal fun levels(alpha: Float, black: Float = Constants.BLACK, white: Float = Constants.WHITE): Byte =
    round((alpha - black) * 255 / (white - black)).toInt().coerceIn(0, 255).toByte()
