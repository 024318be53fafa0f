package portraitnet.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue

/** What the Python runtime gave for the same input, written by tests/android/golden.py. */
object Golden {
    private val folder = File(requireNotNull(System.getProperty("golden")) { "run through tests/android, which writes them" })
    private val index = JSONObject(File(folder, "index.json").readText())

    fun cases(kind: String): List<JSONObject> {
        val all: JSONArray = index.getJSONArray(kind)
        assertTrue("no golden $kind", all.length() > 0)
        return List(all.length()) { all.getJSONObject(it) }
    }

    fun bytes(case: JSONObject, key: String): ByteArray = File(folder, case.getString(key)).readBytes()

    /** Leave [text] beside the vectors, for Python to check. */
    fun write(name: String, text: String) = File(folder, name).writeText(text)

    fun floats(case: JSONObject, key: String): FloatArray {
        val buffer = ByteBuffer.wrap(bytes(case, key)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(buffer.remaining()).also { buffer.get(it) }
    }
}

/** RGB bytes as opaque ARGB pixels. */
fun pixelsOf(rgb: ByteArray): IntArray = IntArray(rgb.size / 3) { i ->
    packed(rgb[3 * i].toInt() and 255, rgb[3 * i + 1].toInt() and 255, rgb[3 * i + 2].toInt() and 255)
}

/** ARGB pixels as RGB bytes. */
fun bytesOf(pixels: IntArray): ByteArray = ByteArray(3 * pixels.size) { (pixels[it / 3] shr (16 - 8 * (it % 3))).toByte() }

/** Bytes must agree within [most] everywhere, and by [mean] on average. */
fun assertNear(name: String, wanted: ByteArray, found: ByteArray, most: Int, mean: Double) {
    assertEquals(name, wanted.size, found.size)
    val differences = wanted.indices.map { abs((wanted[it].toInt() and 255) - (found[it].toInt() and 255)) }
    val worst = differences.maxOrNull() ?: 0
    assertTrue("$name: off by up to $worst, ${differences.average()} on average", worst <= most && differences.average() <= mean)
}

/** Whether [block] throws an [E]; its message. */
inline fun <reified E : Throwable> messageOf(block: () -> Unit): String {
    try {
        block()
    } catch (error: Throwable) {
        if (error is E) return error.message ?: ""
        throw error
    }
    throw AssertionError("nothing was thrown")
}
