package portraitnet.core

import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

/** Frames through the whole chain, with a model that finds what is bright. */
class LiveTest {
    private val contract = ModelContract("m", listOf("background", "person"), 64, 64, "", 0, 0, emptyList())

    /** What is bright is the person. */
    private val engine = object : Engine {
        override val processor = Processor.CPU
        override val threads = 1
        override fun run(rgb: ByteArray, alpha: FloatArray) {
            for (i in alpha.indices) alpha[i] = if ((rgb[3 * i].toInt() and 255) > 150) 1f else 0f
        }
        override fun close() = Unit
    }

    private fun processor() = LiveProcessor(contract, engine)

    /** A sensor's picture, dark, with a bright square at its left: RGBA. */
    private fun frame(width: Int = 96, height: Int = 64): RgbaFrame {
        val bytes = ByteBuffer.allocate(width * height * 4)
        for (y in 0 until height) for (x in 0 until width) for (c in 0 until 4) {
            bytes.put((y * width + x) * 4 + c, if (x in 8..31 && y in 16..47) 220.toByte() else 30)
        }
        return RgbaFrame(width, height, Plane(bytes, width * 4, 4))
    }

    private fun colourAt(composed: LiveProcessor.Composed, row: Int, column: Int): List<Int> =
        List(3) { (composed.pixels[row * composed.width + column] shr (16 - 8 * it)) and 255 }

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
        assertSame(first.pixels, second.pixels)
        val times = live.times
        assertEquals(listOf(2, 2, 2), listOf(times.reading.count, times.inference.count, times.compositing.count))
        assertTrue(times.rate.perSecond() > 0)
        assertTrue(first.pixels.all { it ushr 24 == 255 })
    }

    @Test
    fun severalThreadsGiveWhatOneGives() {
        Workers(3).use { workers ->
            for (orientation in listOf(Orientation(0, false), Orientation(90, true))) {
                val one = processor().process(frame(), Crop(0, 0, 96, 64), orientation, 0).pixels
                val three = LiveProcessor(contract, engine, workers).process(frame(), Crop(0, 0, 96, 64), orientation, 0).pixels
                assertTrue(one.contentEquals(three))
            }
            messageOf<IllegalStateException> { workers.rows(9) { from, _ -> if (from > 0) error("in a thread") } }
        }
    }

    @Test
    fun withoutABackgroundTheSceneIsAsItWas() {
        val live = processor().apply { background = Background.None }
        val composed = live.process(frame(), Crop(0, 0, 96, 64), Orientation(0, false), 0)
        assertEquals(listOf(30, 30, 30), colourAt(composed, 2, 2))
        assertEquals(listOf(220, 220, 220), colourAt(composed, 32, 20))
    }

    @Test
    fun fineEdgesStayWithThePerson() {
        val live = processor().apply { background = Background.Colour(10, 200, 60); refine = true }
        val composed = live.process(frame(), Crop(0, 0, 96, 64), Orientation(0, false), 0)
        assertEquals(listOf(220, 220, 220), colourAt(composed, 32, 20))
        assertTrue(colourAt(composed, 2, 90)[1] > 190)
    }

    @Test
    fun aTouchIsFoundInThePictureAndNotInTheBarsAroundIt() {
        val box = onScreen(1280, 720, 2400, 1080)
        assertEquals(Box(0, 240, 1080, 1920), box)
        assertEquals(0.25f to 0.5f, box.place(270f, 1200f))
        assertNull(box.place(270f, 100f))
        assertEquals(Box(440, 0, 1, 1), onScreen(5000, 1, 1, 881))
    }

    @Test
    fun framesThatCameWhileTheWorkerWasBusyAreOneCall() {
        val tasks = ArrayDeque<Runnable>()
        val counts = ArrayList<Int>()
        val newest = NewestOnly({ tasks.addLast(it) }) { counts.add(it) }
        repeat(3) { newest.arrived() }
        assertEquals(1, tasks.size)
        tasks.removeFirst().run()
        newest.arrived()
        tasks.removeFirst().run()
        assertEquals(listOf(3, 1), counts)
        assertTrue(tasks.isEmpty())
    }

    @Test
    fun aCropThatIsNotInThePictureIsRefused() {
        val reader = UprightReader(Crop(0, 0, 100, 64), Orientation(0, false))
        messageOf<IllegalArgumentException> { reader.read(frame(), IntArray(100 * 64)) }
        messageOf<IllegalArgumentException> { UprightReader(Crop(1, 0, 10, 10), Orientation(0, false)) }
        messageOf<IllegalArgumentException> { UprightReader(Crop(0, 0, 0, 10), Orientation(0, false)) }
        messageOf<IllegalArgumentException> { UprightReader(Crop(0, 0, 10, 10), Orientation(45, false)) }
    }
}
