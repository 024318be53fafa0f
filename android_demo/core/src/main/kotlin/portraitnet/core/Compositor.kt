package portraitnet.core

/** Lays people before backgrounds, frame after frame of [height] x [width]; the arithmetic of runtime/compositing. */
class Compositor(private val height: Int, private val width: Int, private val workers: Workers = Workers(1)) {
    private val behind = IntArray(height * width)
    private var prepared: Background? = null
    private var blur: BackgroundBlur? = null

    /** ARGB [image] over [background] by [alpha] (bytes, height x width) into [target]; image and target may be the same. */
    fun compose(image: IntArray, alpha: ByteArray, background: Background, target: IntArray) {
        when (background) {
            is Background.None -> if (image !== target) image.copyInto(target, 0, 0, height * width)
            is Background.Blur -> {
                val filter = blur?.takeIf { it.strength == background.strength }
                    ?: BackgroundBlur(height, width, background.strength, workers).also { blur = it }
                filter.prepare(image, alpha)
                workers.rows(height) { from, until ->
                    val row = filter.newRow()
                    for (y in from until until) {
                        filter.row(y, row)
                        lay(image, alpha, row.packed, y * width, 0, width, target)
                    }
                }
            }
            else -> {
                if (background !== prepared) prepare(background)
                workers.rows(height) { from, until -> lay(image, alpha, behind, from * width, from * width, (until - from) * width, target) }
            }
        }
    }

    private fun prepare(background: Background) {
        when (background) {
            is Background.Colour -> behind.fill(packed(background.red, background.green, background.blue))
            is Background.Picture -> background.covering(height, width).copyInto(behind)
            is Background.Blur, Background.None -> Unit
        }
        prepared = background
    }

    /** [count] pixels from [place] on, over those of [back] from [backPlace] on. */
    private fun lay(
        image: IntArray, alpha: ByteArray, back: IntArray, place: Int, backPlace: Int, count: Int, target: IntArray,
    ) {
        for (i in 0 until count) {
            val share = alpha[place + i].toInt() and 255
            // Most pixels are the person's or the background's alone.
            target[place + i] = when (share) {
                0 -> back[backPlace + i]
                255 -> image[place + i]
                else -> mixed(image[place + i], back[backPlace + i], share)
            }
        }
    }

    /** Red and blue are worked on as one number. */
    private fun mixed(front: Int, rest: Int, share: Int): Int {
        val outer = share * (front and 0xff00ff) + (255 - share) * (rest and 0xff00ff) + 0x800080
        val inner = share * ((front shr 8) and 255) + (255 - share) * ((rest shr 8) and 255) + 128
        // Divided by 255, to the nearest.
        val redBlue = ((outer + ((outer ushr 8) and 0xff00ff)) ushr 8) and 0xff00ff
        val green = (inner + (inner shr 8)) and 0xff00
        return OPAQUE or redBlue or green
    }
}
