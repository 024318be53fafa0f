package portraitnet.core

import kotlin.math.exp
import kotlin.math.max
import kotlin.math.roundToInt

/**
 * The mean of background pixels only, weighted by a Gaussian, so that nothing of the person spreads around it: normalised
 * convolution on a small picture, which [row] grows to the frame's size.
 */
class BackgroundBlur(height: Int, width: Int, val strength: Double, private val workers: Workers = Workers(1)) {
    private val sigma = strength / 100 * max(height, width)
    private val factor = max(1, (sigma / Constants.BLUR_PIXELS).toInt())
    private val rows = max(1, height / factor)
    private val columns = max(1, width / factor)
    private val shrinkImage = PixelResizer(height, width, rows, columns)
    private val shrinkAlpha = Resizer(height, width, rows, columns)
    private val grow = PixelResizer(rows, columns, height, width)
    private val small = IntArray(rows * columns)
    private val alpha = ByteArray(rows * columns)
    private val planes = Array(4) { FloatArray(rows * columns) } // weighted red, green, blue, and the weight
    private val filter = Gaussian(rows, columns, max(sigma / factor, 1e-3))

    /** Blur [image] (ARGB) where [mask] (bytes) shows no person. */
    fun prepare(image: IntArray, mask: ByteArray) {
        shrinkImage.resize(image, small, workers)
        shrinkAlpha.resize(mask, alpha, workers)
        for (i in alpha.indices) {
            val clear = 1 - (alpha[i].toInt() and 255) / 255f
            val weight = clear * clear * clear * clear + Constants.BLUR_FLOOR
            planes[3][i] = weight
            for (c in 0 until 3) planes[c][i] = weight * ((small[i] shr (16 - 8 * c)) and 255)
        }
        workers.rows(4) { from, until -> for (plane in from until until) filter.blur(planes[plane]) }
        val (red, green, blue, weights) = planes
        for (i in small.indices) {
            val weight = weights[i]
            small[i] = packed(level(red[i] / weight), level(green[i] / weight), level(blue[i] / weight))
        }
    }

    fun newRow() = grow.newRow()

    /** Row [y] of the blurred picture at the frame's size. */
    fun row(y: Int, row: PixelResizer.Row) = grow.row(small, y, row)

    private fun level(value: Float) = (value + 0.5f).toInt().coerceIn(0, 255)
}

/** A Gaussian over planes of one size. Beyond the border a line runs back, without its last pixel twice. */
private class Gaussian(private val rows: Int, private val columns: Int, sigma: Double) {
    private val kernel = kernel(sigma)
    private val reach = kernel.size / 2

    /** Blur [plane] in place. */
    fun blur(plane: FloatArray) {
        val line = FloatArray(columns + 2 * reach)
        val across = FloatArray(plane.size)
        for (row in 0 until rows) {
            for (i in line.indices) line[i] = plane[row * columns + mirrored(i - reach, columns)]
            for (tap in kernel.indices) {
                val weight = kernel[tap]
                for (x in 0 until columns) across[row * columns + x] += weight * line[x + tap]
            }
        }
        plane.fill(0f)
        for (row in 0 until rows) for (tap in kernel.indices) {
            val weight = kernel[tap]
            val from = mirrored(row + tap - reach, rows) * columns
            for (x in 0 until columns) plane[row * columns + x] += weight * across[from + x]
        }
    }

    private fun mirrored(i: Int, length: Int): Int {
        if (length == 1) return 0
        val inside = Math.floorMod(i, 2 * length - 2)
        return if (inside < length) inside else 2 * length - 2 - inside
    }

    private fun kernel(sigma: Double): FloatArray {
        val side = (sigma * 8 + 1).roundToInt() or 1
        val values = DoubleArray(side) { exp(-0.5 * ((it - side / 2) / sigma) * ((it - side / 2) / sigma)) }
        return FloatArray(side) { (values[it] / values.sum()).toFloat() }
    }
}
