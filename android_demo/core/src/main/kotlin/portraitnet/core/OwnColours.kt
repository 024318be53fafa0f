package portraitnet.core

import kotlin.math.max
import kotlin.math.roundToInt

/**
 * The person's own colours where alpha is soft: what of the old background shines through at the outline is taken out, as
 * runtime/compositing/fringe.py does (Forte and Pitie, 2021). For pictures of [height] x [width].
 */
class OwnColours(private val height: Int, private val width: Int, private val workers: Workers = Workers(1)) {
    private val factor = max(1, (max(height, width).toDouble() / Constants.FRINGE_LONGEST).roundToInt())
    private val rows = max(1, height / factor)
    private val columns = max(1, width / factor)
    private val shrinkImage = PixelResizer(height, width, rows, columns)
    private val shrinkAlpha = Resizer(height, width, rows, columns)
    private val grow = Resizer(rows, columns, height, width)
    private val small = IntArray(rows * columns)
    private val share = ByteArray(rows * columns)
    private val person = Array(4) { FloatArray(rows * columns) } // weighted red, green, blue, and the weight
    private val behind = Array(4) { FloatArray(rows * columns) }
    private val change = Array(3) { FloatArray(rows * columns) }

    /** [image] (ARGB) with the person's colours where [alpha] is neither nothing nor all, into [target], which may be it. */
    fun correct(image: IntArray, alpha: ByteArray, target: IntArray) {
        shrinkImage.resize(image, small, workers)
        shrinkAlpha.resize(alpha, share, workers)
        weigh()
        val planes = person + behind
        workers.rows(planes.size) { from, until -> for (plane in from until until) blurBox(planes[plane]) }
        estimate()
        workers.rows(height) { from, until ->
            val grown = Array(3) { grow.newRow() }
            for (y in from until until) {
                for (c in 0 until 3) grow.row(change[c], y, grown[c])
                for (x in 0 until width) {
                    val place = y * width + x
                    val pixel = image[place]
                    target[place] = if ((alpha[place].toInt() and 255) in 1..254) packed(
                        level(((pixel shr 16) and 255) + grown[0].values[x]),
                        level(((pixel shr 8) and 255) + grown[1].values[x]),
                        level((pixel and 255) + grown[2].values[x]),
                    ) else pixel
                }
            }
        }
    }

    /** Colours weighted by alpha and by 1 - alpha, to the fourth power: mixtures are left out. */
    private fun weigh() {
        for (i in small.indices) {
            val near = (share[i].toInt() and 255) / 255f
            val far = 1 - near
            person[3][i] = near * near * near * near
            behind[3][i] = far * far * far * far
            for (c in 0 until 3) {
                val colour = channel(i, c)
                person[c][i] = person[3][i] * colour
                behind[c][i] = behind[3][i] * colour
            }
        }
    }

    /** What to add so that the colours nearby, mixed by alpha, explain the pixel. */
    private fun estimate() {
        for (i in small.indices) {
            val alpha = (share[i].toInt() and 255) / 255f
            // Nothing shines through, or no person is near.
            val unchanged = alpha == 1f || person[3][i] < 1e-9f
            for (c in 0 until 3) {
                val near = person[c][i] / (person[3][i] + Constants.FRINGE_LITTLE)
                val mixture = alpha * near + (1 - alpha) * behind[c][i] / (behind[3][i] + Constants.FRINGE_LITTLE)
                val colour = channel(i, c)
                change[c][i] = if (unchanged) 0f else (near + alpha * (colour - mixture)).coerceIn(0f, 255f) - colour
            }
        }
    }

    /** The mean over a square, in place. Beyond the border a line runs back, without its last pixel twice. */
    private fun blurBox(plane: FloatArray) {
        val across = FloatArray(plane.size)
        for (y in 0 until rows) for (x in 0 until columns) {
            var sum = 0f
            for (i in -Constants.FRINGE_REACH..Constants.FRINGE_REACH) sum += plane[y * columns + mirrored(x + i, columns)]
            across[y * columns + x] = sum / SIDE
        }
        for (y in 0 until rows) for (x in 0 until columns) {
            var sum = 0f
            for (i in -Constants.FRINGE_REACH..Constants.FRINGE_REACH) sum += across[mirrored(y + i, rows) * columns + x]
            plane[y * columns + x] = sum / SIDE
        }
    }

    private fun mirrored(i: Int, length: Int): Int {
        if (length == 1) return 0
        val inside = Math.floorMod(i, 2 * length - 2)
        return if (inside < length) inside else 2 * length - 2 - inside
    }

    private fun channel(i: Int, c: Int) = (small[i] shr (16 - 8 * c)) and 255

    private fun level(value: Float) = (value + 0.5f).toInt().coerceIn(0, 255)

    private companion object {
        const val SIDE = 2 * Constants.FRINGE_REACH + 1
    }
}
