package portraitnet.core

import kotlin.math.exp
import kotlin.math.max
import kotlin.math.roundToInt

/** What a person is put before; pictures are RGB bytes, height x width x 3. */
sealed interface Background {
    /** One colour. */
    data class Colour(val red: Int, val green: Int, val blue: Int) : Background

    /** A picture of any size, scaled and cropped to cover the frame. */
    class Picture(val height: Int, val width: Int, val rgb: ByteArray) : Background

    /** The scene itself, out of focus: [strength] is the blur's sigma in percent of the longer side. */
    data class Blur(val strength: Double = 2.0) : Background
}

/** Lays people before backgrounds, frame after frame of [height] x [width]; the arithmetic of runtime/compositing/composite.py. */
class Compositor(private val height: Int, private val width: Int) {
    private val behind = ByteArray(height * width * 3)
    private var prepared: Background? = null
    private var blur: BackgroundBlur? = null

    /** [image] over [background] by [alpha] (bytes, height x width) into [target]; image and target may be the same. */
    fun compose(image: ByteArray, alpha: ByteArray, background: Background, target: ByteArray) {
        if (background is Background.Blur) {
            val filter = blur?.takeIf { it.strength == background.strength }
                ?: BackgroundBlur(height, width, background.strength).also { blur = it }
            filter.apply(image, alpha, behind)
        } else if (background != prepared) {
            prepare(background)
        }
        prepared = background
        for (pixel in alpha.indices) {
            val share = alpha[pixel].toInt() and 255
            for (place in 3 * pixel until 3 * pixel + 3) {
                val front = share * (image[place].toInt() and 255)
                val back = (255 - share) * (behind[place].toInt() and 255)
                target[place] = ((front + back + 127) / 255).toByte()
            }
        }
    }

    private fun prepare(background: Background) {
        when (background) {
            is Background.Colour -> for (pixel in 0 until height * width) {
                behind[3 * pixel] = background.red.toByte()
                behind[3 * pixel + 1] = background.green.toByte()
                behind[3 * pixel + 2] = background.blue.toByte()
            }
            is Background.Picture -> cover(background)
            is Background.Blur -> Unit
        }
    }

    private fun cover(picture: Background.Picture) {
        val scale = max(height.toDouble() / picture.height, width.toDouble() / picture.width)
        val tall = Math.rint(height / scale).toInt().coerceIn(1, picture.height)
        val wide = Math.rint(width / scale).toInt().coerceIn(1, picture.width)
        val top = (picture.height - tall) / 2
        val left = (picture.width - wide) / 2
        val cropped = ByteArray(tall * wide * 3)
        for (row in 0 until tall) {
            val start = 3 * ((top + row) * picture.width + left)
            picture.rgb.copyInto(cropped, 3 * row * wide, start, start + 3 * wide)
        }
        if (tall == height && wide == width) cropped.copyInto(behind)
        else Resizer(tall, wide, height, width, 3).resize(cropped, behind)
    }
}

/** The mean of background pixels only, weighted by a Gaussian, so that nothing of the person spreads around it. */
internal class BackgroundBlur(height: Int, width: Int, val strength: Double) {
    private val sigma = strength / 100 * max(height, width)
    private val factor = max(1, (sigma / 3).toInt())
    private val rows = max(1, height / factor)
    private val columns = max(1, width / factor)
    private val shrinkImage = Resizer(height, width, rows, columns, 3)
    private val shrinkAlpha = Resizer(height, width, rows, columns)
    private val grow = Resizer(rows, columns, height, width, 3)
    private val image = ByteArray(rows * columns * 3)
    private val alpha = ByteArray(rows * columns)
    private val planes = Array(4) { FloatArray(rows * columns) } // weighted red, green, blue, and the weight
    private val scratch = FloatArray(rows * columns)
    private val kernel = gaussian(max(sigma / factor, 1e-3))

    fun apply(picture: ByteArray, mask: ByteArray, target: ByteArray) {
        shrinkImage.resize(picture, image)
        shrinkAlpha.resize(mask, alpha)
        for (i in alpha.indices) {
            val clear = 1 - (alpha[i].toInt() and 255) / 255f
            val weight = clear * clear * clear * clear + 1e-4f
            planes[3][i] = weight
            for (c in 0 until 3) planes[c][i] = weight * (image[3 * i + c].toInt() and 255)
        }
        for (plane in planes) {
            convolve(plane, scratch, rows, columns, 1, columns)
            convolve(scratch, plane, columns, rows, columns, 1)
        }
        for (i in alpha.indices) for (c in 0 until 3) image[3 * i + c] = byteOf(planes[c][i] / planes[3][i])
        grow.resize(image, target)
    }

    private fun convolve(from: FloatArray, into: FloatArray, count: Int, length: Int, step: Int, jump: Int) {
        val reach = kernel.size / 2
        for (line in 0 until count) for (i in 0 until length) {
            var total = 0f
            for (tap in kernel.indices) total += kernel[tap] * from[line * jump + mirrored(i + tap - reach, length) * step]
            into[line * jump + i * step] = total
        }
    }

    /** Beyond the border the line runs back, without its last pixel twice. */
    private fun mirrored(i: Int, length: Int): Int {
        if (length == 1) return 0
        val period = 2 * length - 2
        val inside = Math.floorMod(i, period)
        return if (inside < length) inside else period - inside
    }

    private fun gaussian(sigma: Double): FloatArray {
        val side = (sigma * 8 + 1).roundToInt() or 1
        val values = DoubleArray(side) { exp(-0.5 * ((it - side / 2) / sigma) * ((it - side / 2) / sigma)) }
        return FloatArray(side) { (values[it] / values.sum()).toFloat() }
    }
}
