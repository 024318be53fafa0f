package portraitnet.core

/** Reads frames of one geometry upright, as opaque ARGB pixels ([height] x [width]). Buffers are made once. */
class UprightReader(private val crop: Crop, orientation: Orientation, private val workers: Workers = Workers(1)) {
    private val turned = orientation.degrees % 180 != 0
    val height = orientation.upright(crop.height, crop.width).first
    val width = orientation.upright(crop.height, crop.width).second

    // The sensor's pixel (x, y) goes to start + x * alongX + y * alongY.
    private val start: Int
    private val alongX: Int
    private val alongY: Int
    private val planes = Array(3) { PlaneCopy() }

    init {
        require(orientation.degrees in listOf(0, 90, 180, 270)) { "cannot turn by ${orientation.degrees} degrees" }
        require(crop.left % 2 == 0 && crop.top % 2 == 0 && crop.left >= 0 && crop.top >= 0) { "$crop: even corner wanted" }
        require(crop.width > 0 && crop.height > 0) { "$crop is empty" }
        fun place(x: Int, y: Int): Int {
            val (row, column) = when (orientation.degrees) {
                0 -> y to x
                90 -> x to crop.height - 1 - y
                180 -> crop.height - 1 - y to crop.width - 1 - x
                else -> crop.width - 1 - x to y
            }
            return row * width + if (orientation.mirror) width - 1 - column else column
        }
        start = place(0, 0)
        alongX = place(1, 0) - start
        alongY = place(0, 1) - start
    }

    /** Fill [pixels] (height x width) from [frame]. */
    fun read(frame: Frame, pixels: IntArray) {
        require(pixels.size >= height * width) { "the target has ${pixels.size} of ${height * width} pixels" }
        require(crop.left + crop.width <= frame.width && crop.top + crop.height <= frame.height) {
            "$crop lies outside a picture of ${frame.width} x ${frame.height}"
        }
        when (frame) {
            is YuvFrame -> {
                planes[0].take(frame.y)
                planes[1].take(frame.u)
                planes[2].take(frame.v)
                workers.rows(crop.height, TILE) { from, until -> readYuv(from, until, pixels) }
            }
            is RgbaFrame -> {
                planes[0].take(frame.plane)
                workers.rows(crop.height, TILE) { from, until -> readRgba(from, until, pixels) }
            }
        }
    }

    /** A turned picture is written along the sensor's columns, in strips as wide as a line of the cache. */
    private fun readYuv(from: Int, until: Int, pixels: IntArray) {
        val (luma, u, v) = planes
        val strip = if (turned) TILE else 2
        for (top in from until until step strip) {
            if (turned) {
                for (x in 0 until crop.width step 2) {
                    for (y in top until minOf(top + TILE, until) step 2) block(luma.bytes, u.bytes, v.bytes, x, y, pixels)
                }
            } else {
                for (x in 0 until crop.width step 2) block(luma.bytes, u.bytes, v.bytes, x, top, pixels)
            }
        }
    }

    /** Four pixels with one sample of colour. */
    private fun block(lumas: ByteArray, us: ByteArray, vs: ByteArray, x: Int, y: Int, pixels: IntArray) {
        val across = (crop.left + x) shr 1
        val down = (crop.top + y) shr 1
        val u = (us[down * planes[1].rowStride + across * planes[1].pixelStride].toInt() and 255) - 128
        val v = (vs[down * planes[2].rowStride + across * planes[2].pixelStride].toInt() and 255) - 128
        // What colour adds to a pixel's brightness, from 16 bits behind the point, to the nearest; and the tables' zero.
        val red = ((91881 * v + 32768) shr 16) + BELOW
        val green = ((-22554 * u - 46802 * v + 32768) shr 16) + BELOW
        val blue = ((116130 * u + 32768) shr 16) + BELOW
        val step = planes[0].pixelStride
        val at = (crop.top + y) * planes[0].rowStride + (crop.left + x) * step
        val to = start + x * alongX + y * alongY
        val wide = x + 1 < crop.width
        pixels[to] = pixel(lumas[at].toInt() and 255, red, green, blue)
        if (wide) pixels[to + alongX] = pixel(lumas[at + step].toInt() and 255, red, green, blue)
        if (y + 1 < crop.height) {
            val below = at + planes[0].rowStride
            pixels[to + alongY] = pixel(lumas[below].toInt() and 255, red, green, blue)
            if (wide) pixels[to + alongX + alongY] = pixel(lumas[below + step].toInt() and 255, red, green, blue)
        }
    }

    private fun pixel(y: Int, red: Int, green: Int, blue: Int): Int = REDS[y + red] or GREENS[y + green] or BYTES[y + blue]

    private fun readRgba(from: Int, until: Int, pixels: IntArray) {
        val plane = planes[0]
        val bytes = plane.bytes
        for (y in from until until) {
            var at = (crop.top + y) * plane.rowStride + crop.left * plane.pixelStride
            var to = start + y * alongY
            for (x in 0 until crop.width) {
                pixels[to] = packed(bytes[at].toInt() and 255, bytes[at + 1].toInt() and 255, bytes[at + 2].toInt() and 255)
                at += plane.pixelStride
                to += alongX
            }
        }
    }

    private companion object {
        const val TILE = 16
        const val BELOW = 256 // more than any colour takes away

        // Cut to 0..255 and in their place: quicker than comparing. Red's are opaque.
        val BYTES = IntArray(3 * 256) { minOf(255, maxOf(0, it - BELOW)) }
        val GREENS = IntArray(BYTES.size) { BYTES[it] shl 8 }
        val REDS = IntArray(BYTES.size) { OPAQUE or (BYTES[it] shl 16) }
    }
}

internal const val OPAQUE = 255 shl 24

internal fun packed(red: Int, green: Int, blue: Int): Int = OPAQUE or (red shl 16) or (green shl 8) or blue

internal fun byteOf(value: Float): Byte = (value + 0.5f).toInt().coerceIn(0, 255).toByte()
