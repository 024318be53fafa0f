package portraitnet.core

import kotlin.math.max
import kotlin.math.round

/**
 * Alpha drawn to the picture's own edges: a guided filter with a colour guide, as runtime/compositing/refine.py has it (He, Sun and
 * Tang, 2013). In each small window alpha is explained as a linear function of colour, on a small picture; the functions
 * are applied at the picture's own size. For pictures of [height] x [width] up to 640 pixels long.
 */
class GuidedRefiner(
    private val height: Int, private val width: Int, contentHeight: Int, contentWidth: Int, private val workers: Workers = Workers(1),
) {
    private val scale = minOf(1.0, Constants.REFINE_SMALL.toDouble() / max(height, width))
    private val rows = if (scale < 1) max(1, round(height * scale).toInt()) else height
    private val columns = if (scale < 1) max(1, round(width * scale).toInt()) else width
    private val shrink = PixelResizer(height, width, rows, columns)
    private val place = Resizer(contentHeight, contentWidth, rows, columns)
    private val grow = Resizer(rows, columns, height, width)
    private val small = IntArray(rows * columns)
    private val alpha = FloatArray(rows * columns)
    private val guide = Array(3) { FloatArray(rows * columns) }
    private val means = Array(3) { FloatArray(rows * columns) }
    private val shared = Array(3) { FloatArray(rows * columns) }
    private val variance = Array(6) { FloatArray(rows * columns) } // rr rg rb gg gb bb
    private val slopes = Array(3) { FloatArray(rows * columns) }
    private val offset = FloatArray(rows * columns)
    private val mean = FloatArray(rows * columns)
    private val product = FloatArray(rows * columns)
    private val window = WindowMean(rows, columns, Constants.REFINE_RADIUS)

    /** Levelled bytes 0..255 into [target], from [content] (contentHeight x contentWidth, 0..1) and ARGB pixels [image]. */
    fun refine(image: IntArray, content: FloatArray, target: ByteArray) {
        shrink.resize(image, small, workers)
        place.resize(content, alpha)
        for (i in alpha.indices) for (c in 0 until 3) guide[c][i] = ((small[i] shr (16 - 8 * c)) and 255) / 255f
        fit()
        workers.rows(height) { from, until ->
            val grown = Array(4) { grow.newRow() }
            for (y in from until until) {
                for (c in 0 until 3) grow.row(slopes[c], y, grown[c])
                grow.row(offset, y, grown[3])
                val (red, green, blue, rest) = grown
                for (x in 0 until width) {
                    val pixel = image[y * width + x]
                    target[y * width + x] = levels(
                        rest.values[x] + (red.values[x] * ((pixel shr 16) and 255) + green.values[x] * ((pixel shr 8) and 255) +
                            blue.values[x] * (pixel and 255)) / 255f,
                        Constants.REFINE_BLACK, Constants.REFINE_WHITE,
                    )
                }
            }
        }
    }

    private fun fit() {
        for (c in 0 until 3) window.mean(guide[c], means[c])
        window.mean(alpha, mean)
        for (c in 0 until 3) {
            covariance(guide[c], alpha, means[c], mean, shared[c], 0f)
            for (d in c until 3) {
                covariance(guide[c], guide[d], means[c], means[d], variance[PAIRS[c][d]], if (c == d) Constants.REFINE_SMOOTHNESS else 0f)
            }
        }
        val (rr, rg, rb) = variance
        for (i in offset.indices) {
            val gg = variance[3][i]
            val gb = variance[4][i]
            val bb = variance[5][i]
            // The inverse of the symmetric 3x3 matrix, by its cofactors.
            val c00 = gg * bb - gb * gb
            val c01 = rb[i] * gb - rg[i] * bb
            val c02 = rg[i] * gb - rb[i] * gg
            val c11 = rr[i] * bb - rb[i] * rb[i]
            val c12 = rg[i] * rb[i] - rr[i] * gb
            val c22 = rr[i] * gg - rg[i] * rg[i]
            val whole = 1 / max(rr[i] * c00 + rg[i] * c01 + rb[i] * c02, 1e-15f)
            val (s, t, u) = Triple(shared[0][i], shared[1][i], shared[2][i])
            slopes[0][i] = whole * (c00 * s + c01 * t + c02 * u)
            slopes[1][i] = whole * (c01 * s + c11 * t + c12 * u)
            slopes[2][i] = whole * (c02 * s + c12 * t + c22 * u)
            offset[i] = mean[i] - slopes[0][i] * means[0][i] - slopes[1][i] * means[1][i] - slopes[2][i] * means[2][i]
        }
        for (plane in arrayOf(slopes[0], slopes[1], slopes[2], offset)) {
            window.mean(plane, product)
            product.copyInto(plane)
        }
    }

    private fun covariance(a: FloatArray, b: FloatArray, meanA: FloatArray, meanB: FloatArray, into: FloatArray, more: Float) {
        for (i in a.indices) product[i] = a[i] * b[i]
        window.mean(product, into)
        for (i in a.indices) into[i] += more - meanA[i] * meanB[i]
    }

    private companion object {
        val PAIRS = arrayOf(intArrayOf(0, 1, 2), intArrayOf(1, 3, 4), intArrayOf(2, 4, 5))
    }
}

/** The mean over square windows of [radius] around each pixel; beyond the border its last pixel goes on. */
internal class WindowMean(private val rows: Int, private val columns: Int, private val radius: Int) {
    private val across = FloatArray(rows * columns)

    fun mean(values: FloatArray, into: FloatArray) {
        run(values, across, rows, columns, 1, columns)
        run(across, into, columns, rows, columns, 1)
    }

    /** Along one axis: [count] lines [jump] apart, of [length] values [step] apart. */
    private fun run(from: FloatArray, into: FloatArray, count: Int, length: Int, step: Int, jump: Int) {
        val side = 2 * radius + 1
        for (line in 0 until count) {
            val start = line * jump
            fun at(i: Int) = from[start + i.coerceIn(0, length - 1) * step]
            var sum = 0.0 // a running sum in floats would drift
            for (i in -radius..radius) sum += at(i)
            for (i in 0 until length) {
                into[start + i * step] = (sum / side).toFloat()
                sum += at(i + radius + 1) - at(i - radius)
            }
        }
    }
}
