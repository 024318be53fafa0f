package portraitnet.core

import java.nio.ByteBuffer
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** Python and Kotlin give the same for the same input. */
class AgreementTest {
    private val workers = Workers(3)

    @After
    fun close() = workers.close()

    @Test
    fun letterboxesArePixelEqual() {
        for (case in Golden.cases("letterboxes")) {
            val (sourceHeight, sourceWidth, height, width) = ints(case, "sizes")
            val box = Letterbox.fit(sourceHeight, sourceWidth, height, width, case.getString("geometry"))
            assertEquals(ints(case, "box"), listOf(box.top, box.left, box.height, box.width))
        }
    }

    @Test
    fun framesOfAllOrientationsAndStridesBecomeTheSameInput() {
        for (case in Golden.cases("frames")) {
            val (width, height) = ints(case, "sensor")
            val (left, top, cropWidth, cropHeight) = ints(case, "crop")
            val (targetHeight, targetWidth) = ints(case, "target")
            val orientation = Orientation(case.getInt("degrees"), case.getBoolean("mirror"))
            val geometry = case.getString("geometry")
            val reader = UprightReader(Crop(left, top, cropWidth, cropHeight), orientation, workers)
            val input = ModelInput(reader.height, reader.width, targetHeight, targetWidth, geometry, workers)
            val pixels = IntArray(reader.height * reader.width)
            val frame = if (case.getString("format") == "rgba") RgbaFrame(width, height, plane(case, "rgba"))
            else YuvFrame(width, height, plane(case, "y"), plane(case, "u"), plane(case, "v"))
            val found = ByteArray(targetHeight * targetWidth * 3)
            repeat(2) { // the second time from used buffers
                reader.read(frame, pixels)
                input.fill(pixels, found)
            }
            // Python rounds to bytes after each halving, which puts even it up to two steps off its own floats.
            assertNear(case.getString("name"), Golden.bytes(case, "wanted"), found, 2, 0.5)
        }
    }

    @Test
    fun alphaIsSmoothedAlike() {
        for (case in Golden.cases("smoothing")) {
            val size = case.getInt("size")
            val alphas = Golden.floats(case, "alphas")
            val wanted = Golden.floats(case, "wanted")
            val elapsed = case.getJSONArray("elapsed")
            val smoother = AlphaSmoother(size)
            for (frame in 0 until elapsed.length()) {
                val alpha = alphas.copyOfRange(frame * size, (frame + 1) * size)
                smoother.smooth(alpha, elapsed.getDouble(frame))
                assertArrayEquals("frame $frame", wanted.copyOfRange(frame * size, (frame + 1) * size), alpha, 1e-5f)
            }
        }
    }

    @Test
    fun alphaGrowsAndIsRefinedAlike() {
        for (case in Golden.cases("alphas")) {
            val (height, width, inputHeight, inputWidth) = ints(case, "sizes")
            val box = Letterbox.fit(height, width, inputHeight, inputWidth)
            val map = AlphaMap(box, height, width, workers)
            map.crop(Golden.floats(case, "alpha"))
            val found = ByteArray(height * width)
            map.grow(found)
            assertNear("grown", Golden.bytes(case, "grown"), found, 1, 0.3)
            val refiner = GuidedRefiner(height, width, box.height, box.width, workers)
            refiner.refine(pixelsOf(Golden.bytes(case, "image")), map.content, found)
            assertNear("refined", Golden.bytes(case, "refined"), found, 6, 0.5)
        }
    }

    @Test
    fun peopleAreLaidOnBackgroundsAlike() {
        for (case in Golden.cases("composites")) {
            val (height, width) = ints(case, "size")
            val background = when (val kind = case.getString("background")) {
                "colour" -> ints(case, "colour").let { (red, green, blue) -> Background.Colour(red, green, blue) }
                "blur" -> Background.Blur(case.getDouble("strength"))
                else -> ints(case, "picture_size").let { (tall, wide) -> Background.Picture(tall, wide, pixelsOf(Golden.bytes(case, kind))) }
            }
            val found = IntArray(height * width)
            val compositor = Compositor(height, width, workers)
            repeat(2) { compositor.compose(pixelsOf(Golden.bytes(case, "image")), Golden.bytes(case, "alpha"), background, found) }
            assertNear(case.getString("name"), Golden.bytes(case, "wanted"), bytesOf(found), case.getInt("most"), 0.3)
        }
    }

    @Test
    fun outlinesGetThePersonsOwnColoursAlike() {
        for (case in Golden.cases("own_colours")) {
            val (height, width) = ints(case, "size")
            val found = pixelsOf(Golden.bytes(case, "image"))
            val colours = OwnColours(height, width, workers)
            colours.correct(found.copyOf(), Golden.bytes(case, "alpha"), IntArray(found.size))
            colours.correct(found, Golden.bytes(case, "alpha"), found) // from used buffers, in place
            // Python shrinks by bilinear samples, this by means of areas.
            assertNear(case.getString("name"), Golden.bytes(case, "wanted"), bytesOf(found), case.getInt("most"), 0.3)
        }
    }

    @Test
    fun percentilesAreThoseOfNumpy() {
        for (case in Golden.cases("percentiles")) {
            val values = case.getJSONArray("values")
            val durations = Durations()
            for (i in 0 until values.length()) durations.add((values.getDouble(i) * 1e6).toLong())
            for (percent in listOf(50, 90)) assertEquals(case.getDouble("p$percent"), durations.percentile(percent.toDouble()), 1e-4)
        }
    }

    private fun ints(case: JSONObject, key: String): List<Int> = case.getJSONArray(key).let { List(it.length()) { i -> it.getInt(i) } }

    private fun plane(case: JSONObject, key: String): Plane {
        val (rowStride, pixelStride) = ints(case, "${key}_strides")
        return Plane(ByteBuffer.wrap(Golden.bytes(case, key)), rowStride, pixelStride)
    }
}
