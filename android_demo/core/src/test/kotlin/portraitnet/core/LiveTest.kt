package portraitnet.core

import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

/** Frames through the whole chain, with a model that finds what is bright. */
class LiveTest {
    private val contract = ModelContract("m", listOf("background", "person"), 64, 64, "", 0, 0, emptyList())

    private fun processor(): LiveProcessor {
        val io = ModelIo(64, 64, true)
        return LiveProcessor(contract, io) {
            for (i in 0 until 64 * 64) io.output.put(i, if ((io.input.get(3 * i).toInt() and 255) > 150) 255.toByte() else 0)
        }
    }

    /** A sensor's picture, dark, with a bright square at its left: RGBA. */
    private fun frame(width: Int = 96, height: Int = 64): RgbaFrame {
        val bytes = ByteBuffer.allocate(width * height * 4)
        for (y in 0 until height) for (x in 0 until width) for (c in 0 until 4) {
            bytes.put((y * width + x) * 4 + c, if (x in 8..31 && y in 16..47) 220.toByte() else 30)
        }
        return RgbaFrame(width, height, Plane(bytes, width * 4, 4))
    }

    private fun colourAt(composed: LiveProcessor.Composed, row: Int, column: Int): List<Int> =
        List(3) { composed.rgb[3 * (row * composed.width + column) + it].toInt() and 255 }

    @Test
    fun thePersonIsKeptAndTheRestReplacedInEveryOrientation() {
        val live = processor().apply { background = Background.Colour(10, 200, 60) }
        val crop = Crop(0, 0, 96, 64)
        // Where the sensor's left middle is in the upright picture.
        val places = mapOf(
            Orientation(0, false) to (32 to 20), Orientation(0, true) to (32 to 75),
            Orientation(90, false) to (20 to 32), Orientation(180, false) to (32 to 75), Orientation(270, true) to (75 to 32),
        )
        for ((orientation, place) in places) {
            val composed = live.process(frame(), crop, orientation, 0)
            val upright = if (orientation.degrees % 180 == 0) 64 to 96 else 96 to 64
            assertEquals(upright, composed.height to composed.width)
            assertEquals("$orientation", listOf(220, 220, 220), colourAt(composed, place.first, place.second))
            assertEquals(listOf(10, 200, 60), colourAt(composed, 2, 2))
        }
    }

    @Test
    fun theSecondFrameUsesTheSameBuffersAndIsCounted() {
        val live = processor()
        val first = live.process(frame(), Crop(0, 0, 96, 64), Orientation(90, true), 0)
        val second = live.process(frame(), Crop(0, 0, 96, 64), Orientation(90, true), 33_000_000)
        assertSame(first.rgb, second.rgb)
        assertEquals(listOf(2, 2, 2), listOf(live.reading.count, live.inference.count, live.compositing.count))
        assertTrue(live.rate.perSecond() > 0)
        val pixels = IntArray(first.height * first.width).also { first.toArgb(it) }
        assertEquals(255, pixels[0] ushr 24)
        assertEquals(first.rgb[0].toInt() and 255, (pixels[0] ushr 16) and 255)
    }

    @Test
    fun fineEdgesStayWithThePerson() {
        val live = processor().apply { background = Background.Colour(10, 200, 60); refine = true }
        val composed = live.process(frame(), Crop(0, 0, 96, 64), Orientation(0, false), 0)
        assertEquals(listOf(220, 220, 220), colourAt(composed, 32, 20))
        assertTrue(colourAt(composed, 2, 90)[1] > 190)
    }

    @Test
    fun aCropThatIsNotInThePictureIsRefused() {
        val reader = FrameReader(Crop(0, 0, 100, 64), Orientation(0, false), 64, 64)
        messageOf<IllegalArgumentException> { reader.read(frame(), ByteArray(64 * 64 * 3)) }
        messageOf<IllegalArgumentException> { FrameReader(Crop(1, 0, 10, 10), Orientation(0, false), 64, 64) }
        messageOf<IllegalArgumentException> { FrameReader(Crop(0, 0, 10, 10), Orientation(45, false), 64, 64) }
    }
}
