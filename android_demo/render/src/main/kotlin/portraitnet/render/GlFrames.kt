package portraitnet.render

import java.nio.ByteBuffer
import portraitnet.core.AlphaSmoother
import portraitnet.core.Background
import portraitnet.core.Crop
import portraitnet.core.ModelContract
import portraitnet.core.Orientation
import portraitnet.core.Pass
import portraitnet.core.Plane
import portraitnet.core.RenderPlan
import portraitnet.core.Scene
import portraitnet.core.YuvFrame
import portraitnet.core.planesPass
import portraitnet.core.upright

/**
 * A frame's way over the GPU: the camera's texture or planes in, the model's input out, the model's alpha in, the composed picture
 * on a surface. Buffers last while sizes do.
 */
class GlFrames(private val renderer: GlRenderer, private val contract: ModelContract) {
    private var plan: RenderPlan? = null
    private var view: List<Any> = emptyList()
    private val planes = HashMap<String, ByteBuffer>()
    private val input = ByteBuffer.allocateDirect(4 * contract.height * contract.width)
    private var raw = ByteBuffer.allocateDirect(0)
    private var picture: Background.Picture? = null
    private var refined = false // the frame before, of the same view

    /** The upright picture's size: height to width. */
    val size: Pair<Int, Int>? get() = plan?.let { it.height to it.width }

    /** Take the frame that lies in [camera], and put it as the model wants it into [rgb]. True when the view is another one than before. */
    fun load(camera: CameraTexture, rgb: ByteArray): Boolean {
        val lies = camera.view()
        renderer.lend("camera", camera.id)
        return load(listOf(camera, camera.orientation), lies.height, lies.width, lies.pass(), rgb)
    }

    /** The same from planes. */
    fun load(frame: YuvFrame, crop: Crop, orientation: Orientation, rgb: ByteArray): Boolean {
        upload("luma", frame.y, frame.height)
        upload("first", frame.u, frame.height / 2)
        upload("second", frame.v, frame.height / 2)
        val (height, width) = orientation.upright(crop.height, crop.width)
        return load(listOf(crop, orientation), height, width, planesPass(crop, orientation), rgb)
    }

    private fun load(from: List<Any>, height: Int, width: Int, camera: Pass, rgb: ByteArray): Boolean {
        val changed = view != from || size != height to width
        if (changed) {
            plan = RenderPlan(height, width, contract.height, contract.width, contract.geometry)
            view = from
            refined = false
        }
        renderer.draw(known().before(camera))
        renderer.read("input", input)
        for (pixel in 0 until contract.height * contract.width) {
            for (c in 0 until 3) rgb[3 * pixel + c] = input.get(4 * pixel + c)
        }
        return changed
    }

    /**
     * Draw the frame that was loaded with [alpha] (0..1, of the model's size) over [background], into the texture `result`. A
     * refined outline is smoothed, [elapsed] seconds after the frame before: the picture that it is drawn to has its noise.
     */
    fun compose(alpha: FloatArray, background: Background, refine: Boolean, elapsed: Double) {
        val box = known().letterbox
        if (raw.capacity() != box.height * box.width) raw = ByteBuffer.allocateDirect(box.height * box.width)
        raw.rewind()
        for (row in 0 until box.height) {
            val start = (box.top + row) * box.targetWidth + box.left
            for (column in 0 until box.width) raw.put((alpha[start + column] * 255 + 0.5f).toInt().coerceIn(0, 255).toByte())
        }
        raw.rewind()
        renderer.upload("raw", raw, box.height, box.width, 1)
        if (refine) renderer.swap("alpha", "before")
        renderer.draw(known().after(scene(background), refine, if (refine && refined) AlphaSmoother.pace(elapsed) else 0f))
        refined = refine
    }

    /** What was composed as opaque ARGB pixels. */
    fun pixels(): IntArray {
        val bytes = ByteBuffer.allocateDirect(4 * known().height * known().width)
        renderer.read("result", bytes)
        return IntArray(known().height * known().width) { i ->
            fun channel(c: Int) = bytes.get(4 * i + c).toInt() and 255
            (255 shl 24) or (channel(0) shl 16) or (channel(1) shl 8) or channel(2)
        }
    }

    private fun known() = plan ?: throw GlException("no frame was loaded")

    private fun scene(background: Background): Scene = when (background) {
        is Background.Blur -> Scene.Blur(background.strength)
        is Background.Colour -> Scene.Colour(background.red, background.green, background.blue)
        is Background.None -> Scene.None
        is Background.Picture -> {
            if (picture !== background) upload(background)
            picture = background
            Scene.Picture(background.height, background.width)
        }
    }

    private fun upload(background: Background.Picture) {
        val bytes = ByteBuffer.allocateDirect(4 * background.pixels.size)
        for (pixel in background.pixels) for (shift in listOf(16, 8, 0, 24)) bytes.put((pixel shr shift).toByte())
        bytes.rewind()
        renderer.upload("picture", bytes, background.height, background.width, 4)
    }

    /** A plane with its rows as long as they lie; two bytes a texel where colours take turns. */
    private fun upload(name: String, plane: Plane, rows: Int) {
        val channels = plane.pixelStride
        if (channels !in 1..2 || plane.rowStride % channels != 0) throw GlException("the camera's pixels lie in another way")
        val length = plane.rowStride * rows
        val copy = planes[name]?.takeIf { it.capacity() == length } ?: ByteBuffer.allocateDirect(length).also { planes[name] = it }
        val source = plane.bytes.duplicate().apply { rewind() }
        source.limit(minOf(source.limit(), length)) // the last row may end early, or the buffer late
        copy.rewind()
        copy.put(source)
        copy.rewind()
        renderer.upload(name, copy, rows, plane.rowStride / channels, channels)
    }
}
