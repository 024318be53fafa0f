package portraitnet.app

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Rect
import android.view.Surface
import portraitnet.core.AlphaSmoother
import portraitnet.core.Background
import portraitnet.core.Crop
import portraitnet.core.Engine
import portraitnet.core.LiveProcessor
import portraitnet.core.ModelContract
import portraitnet.core.Orientation
import portraitnet.core.StageTimes
import portraitnet.core.Workers
import portraitnet.core.YuvFrame
import portraitnet.core.onScreen
import portraitnet.core.timed
import portraitnet.render.CameraTexture
import portraitnet.render.EglCore
import portraitnet.render.GlFrames
import portraitnet.render.GlStage

/** What the user sees the person before, and how the outline is drawn. */
data class Look(val background: Background = Background.Blur(), val refine: Boolean = false)

/**
 * A frame's way from the camera to the screen. Of one thread. Throws EngineException where the model fails, and GlException
 * where OpenGL does.
 */
interface FramePath : AutoCloseable {
    /** GPU or CPU: what works on the pixels. */
    val name: String
    val times: StageTimes

    /** The upright picture's size, height to width; null before the first. */
    val size: Pair<Int, Int>?

    /** Show frames on [surface] from now on; null before it goes away. */
    fun attach(surface: Surface?)

    /** Show a frame that came as planes, captured at [nanoseconds]. */
    fun show(frame: YuvFrame, crop: Crop, orientation: Orientation, nanoseconds: Long, look: Look)

    /** The picture that was shown last; null before the first. */
    fun picture(): Bitmap?

    /** Show frames on the encoder's [surface] too; null ends that. False where this path cannot. */
    fun record(surface: Surface?): Boolean
}

/** Pixels on the GPU, with the OpenGL of [stage]; the CPU has the model and the smoothing alone. */
class GlPath(private val stage: GlStage, contract: ModelContract, private val engine: Engine) : FramePath {
    override val name = "GPU"
    override val times = StageTimes()
    override val size get() = frames.size
    private val egl = stage.egl
    private val frames = GlFrames(stage.renderer, contract)
    private val rgb = ByteArray(3 * contract.height * contract.width)
    private val alpha = FloatArray(contract.height * contract.width)
    private val smoother = AlphaSmoother(alpha.size)
    private var before = 0L
    private var window: EglCore.Window? = null
    private var encoder: EglCore.Window? = null

    override fun attach(surface: Surface?) {
        window?.close()
        window = surface?.let { egl.Window(it) }
    }

    override fun show(frame: YuvFrame, crop: Crop, orientation: Orientation, nanoseconds: Long, look: Look) =
        show(nanoseconds, look) { frames.load(frame, crop, orientation, rgb) }

    /** Show the frame that lies in the camera's [texture]. */
    fun show(texture: CameraTexture, nanoseconds: Long, look: Look) = show(nanoseconds, look) { frames.load(texture, rgb) }

    /** [load] fills [rgb]; true when it is another view than before. */
    private inline fun show(nanoseconds: Long, look: Look, load: () -> Boolean) {
        timed(times.reading) {
            egl.use(null)
            if (load()) smoother.reset()
        }
        timed(times.inference) {
            engine.run(rgb, alpha)
            egl.use(null) // a model on the GPU may have left its own context current
        }
        timed(times.compositing) {
            val elapsed = (nanoseconds - before) / 1e9
            smoother.smooth(alpha, elapsed)
            before = nanoseconds
            frames.compose(alpha, look.background, look.refine, elapsed)
            encoder?.let { present(it, nanoseconds) }
            window?.let { present(it, null) }
        }
        times.rate.tick(System.nanoTime())
    }

    override fun picture(): Bitmap? {
        val (height, width) = frames.size ?: return null
        return Bitmap.createBitmap(frames.pixels(), width, height, Bitmap.Config.ARGB_8888)
    }

    override fun record(surface: Surface?): Boolean {
        encoder?.close()
        encoder = surface?.let { egl.Window(it) }
        return true
    }

    override fun close() {
        encoder?.close()
        window?.close()
    }

    private fun present(to: EglCore.Window, nanoseconds: Long?) {
        egl.use(to)
        stage.renderer.show("result", to.width, to.height)
        to.swap(nanoseconds)
        egl.use(null)
    }
}

/** Pixels on the CPU, where no OpenGL ES 3 is to be had. */
class CpuPath(contract: ModelContract, engine: Engine) : FramePath {
    override val name = "CPU"
    private val workers = Workers(minOf(4, Runtime.getRuntime().availableProcessors()))
    private val live = LiveProcessor(contract, engine, workers)
    override val times = live.times
    override val size get() = bitmap?.let { it.height to it.width }
    private var surface: Surface? = null
    private var bitmap: Bitmap? = null

    override fun attach(surface: Surface?) {
        this.surface = surface
    }

    override fun show(frame: YuvFrame, crop: Crop, orientation: Orientation, nanoseconds: Long, look: Look) {
        live.background = look.background
        live.refine = look.refine
        val composed = live.process(frame, crop, orientation, nanoseconds)
        val image = bitmap?.takeIf { it.width == composed.width && it.height == composed.height }
            ?: Bitmap.createBitmap(composed.width, composed.height, Bitmap.Config.ARGB_8888).also { bitmap = it }
        image.setPixels(composed.pixels, 0, composed.width, 0, 0, composed.width, composed.height)
        val shown = surface ?: return
        try {
            val canvas = shown.lockCanvas(null)
            draw(canvas, image)
            shown.unlockCanvasAndPost(canvas)
        } catch (error: IllegalStateException) { // the surface went away between two frames
            surface = null
        } catch (error: IllegalArgumentException) {
            surface = null
        }
    }

    override fun picture(): Bitmap? = bitmap?.let { it.copy(Bitmap.Config.ARGB_8888, false) }

    override fun record(surface: Surface?) = false

    override fun close() = workers.close()

    private fun draw(canvas: Canvas, image: Bitmap) {
        canvas.drawColor(Color.BLACK)
        val box = onScreen(image.height, image.width, canvas.height, canvas.width)
        canvas.drawBitmap(image, null, Rect(box.left, box.top, box.left + box.width, box.top + box.height), null)
    }
}
