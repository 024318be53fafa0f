package portraitnet.app

import android.app.Application
import android.graphics.Bitmap
import android.net.Uri
import android.os.Handler
import android.os.HandlerThread
import android.os.Looper
import android.view.Surface
import java.io.File
import java.io.IOException
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executor
import java.util.concurrent.TimeUnit
import portraitnet.core.Background
import portraitnet.core.ContractException
import portraitnet.core.Crop
import portraitnet.core.EngineException
import portraitnet.core.GuardedEngine
import portraitnet.core.ModelLibrary
import portraitnet.core.Orientation
import portraitnet.core.Processor
import portraitnet.core.Source
import portraitnet.core.StartGuard
import portraitnet.core.StoredModel
import portraitnet.core.tryName
import portraitnet.core.YuvFrame
import portraitnet.render.CameraTexture
import portraitnet.render.GlException
import portraitnet.render.GlStage

/** What the screen says of the work. */
data class Status(
    val model: String = "",
    val models: List<String> = emptyList(), // each with its size and, once it ran, its median time
    val processor: Processor = Processor.CPU,
    val residency: String = "",
    val pixels: String = "",
    val perSecond: Double = 0.0,
    val readMs: Double = 0.0,
    val modelMs: Double = 0.0,
    val modelP90: Double = 0.0,
    val composeMs: Double = 0.0,
    val size: Pair<Int, Int>? = null, // of the upright picture, height to width
)

/** What happened; the screen has the words for it. */
sealed interface Event {
    data class ModelRefused(val reason: String) : Event
    data class FellBack(val processor: String, val reason: String) : Event
    data class PixelsOnCpu(val reason: String) : Event
    data class LeftOut(val what: String) : Event
    data class PictureRefused(val reason: String) : Event
    data class Saved(val what: String, val uri: Uri, val type: String) : Event
    data class NotSaved(val reason: String) : Event
    data class Recording(val on: Boolean) : Event
    data class NoCamera(val reason: String) : Event
}

/**
 * The model, the frames' way and the screen's surface, all on one thread of their own; lives as long as the app is used, through
 * turns of the screen. Whatever fails there is told, and the next frame is tried on the CPU.
 */
class Session(
    private val app: Application,
    private val onStatus: (Status) -> Unit,
    private val onEvent: (Event) -> Unit,
    private val onOtherCamera: () -> Unit, // what the camera has to give is another thing now: bind it anew
) : FrameTaker {
    private val thread = HandlerThread("portraitnet").apply { start() }
    private val handler = Handler(thread.looper)
    private val main = Handler(Looper.getMainLooper())
    private val engines = LiteRtEngines()
    private val guard = StartGuard(File(app.filesDir, "trying"))
    val library = ModelLibrary(File(app.filesDir, "models"), AssetModels(app.assets))

    /** For the camera: a frame that comes after the end is dropped. */
    override val worker = Executor { task -> handler.post(task) }
    @Volatile override var wantsTextures = true
        private set

    @Volatile var look = Look()

    // Of the thread alone.
    private var models: List<StoredModel> = emptyList()
    private var model: StoredModel? = null
    private var engine: GuardedEngine? = null
    private var path: FramePath? = null
    private var surface: Surface? = null
    private var stage: GlStage? = null
    private var camera: CameraTexture? = null
    private var glRefused = false
    private var ended = false
    private var shown = 0L
    private var recorder: VideoRecorder? = null
    private val speeds = HashMap<String, Double>()
    private var wanted = Processor.CPU

    init {
        handler.post { openFirst() }
    }

    override fun openTexture(height: Int, width: Int): CameraTexture? {
        if (ended || !wantsTextures) return null
        return try {
            openStage()?.takeIf { wantsTextures }?.openCamera(height, width, worker, ::take)?.also { camera = it }
        } catch (error: GlException) {
            pixelsOnCpu(error.message ?: "OpenGL failed")
            null
        }
    }

    override fun refuseTextures(reason: String) = post {
        if (!wantsTextures) return@post
        event(Event.LeftOut(reason))
        usePlanes()
    }

    override fun take(frame: YuvFrame, crop: Crop, orientation: Orientation, nanoseconds: Long) = shown {
        path?.show(frame, crop, orientation, nanoseconds, look)
    }

    /** [count] frames came into [texture]. Without a model they are taken all the same: the camera wants its buffers back. */
    private fun take(texture: CameraTexture, count: Int) = shown {
        val stage = stage
        if (stage != null && texture === camera) {
            val nanoseconds = stage.update(texture, count)
            (path as? GlPath)?.show(texture, nanoseconds, look)
        }
    }

    private fun shown(show: () -> Unit) {
        if (ended) return
        try {
            show()
            recorder?.drain()
        } catch (error: GlException) {
            pixelsOnCpu(error.message ?: "OpenGL failed")
        } catch (error: EngineException) { // on the CPU itself, after every fallback
            event(Event.ModelRefused(error.message ?: "it failed"))
            closePath()
        } catch (error: IOException) {
            stopRecording()
            event(Event.NotSaved(error.message ?: "the video could not be written"))
        }
        if (path != null && shown++ % 15 == 0L) status()
    }

    /** Show frames on [surface]; null, and the call returns when it is not drawn on any more. */
    fun attach(surface: Surface?) {
        val done = CountDownLatch(1)
        handler.post {
            this.surface = surface
            try {
                path?.attach(surface)
            } catch (error: GlException) {
                pixelsOnCpu(error.message ?: "OpenGL failed")
            }
            done.countDown()
        }
        // The system takes the surface away when surfaceDestroyed returns; to draw on it then would end the app.
        if (surface == null) done.await(2, TimeUnit.SECONDS)
    }

    fun choose(index: Int) = post {
        val chosen = models.getOrNull(index) ?: return@post
        open(chosen, wanted)
        library.choose(chosen)
    }

    fun switchProcessor() = post {
        wanted = Processor.entries[((engine?.processor ?: wanted).ordinal + 1) % Processor.entries.size]
        model?.let { open(it, wanted) }
    }

    /** A model that the user brings: tried in a folder of its own, and kept when it runs. */
    fun add(sources: List<Source>) = post {
        closePath()
        try {
            val added = library.add(sources) { fresh -> GuardedEngine(engines, fresh, Processor.CPU, THREADS, guard) { _, _ -> }.close() }
            library.choose(added)
        } finally {
            openFirst()
        }
    }

    fun choosePicture(open: () -> Background.Picture, chosen: (Background.Picture) -> Unit) = post {
        val picture = try {
            open()
        } catch (error: IOException) {
            return@post event(Event.PictureRefused(error.message ?: "it cannot be read"))
        }
        main.post { chosen(picture) }
    }

    /** Save the picture that was shown last; [save] runs on this thread. */
    fun savePicture(save: (Bitmap) -> Unit) = post { path?.picture()?.let(save) }

    fun toggleRecording(start: (height: Int, width: Int) -> VideoRecorder) = post {
        if (recorder != null) return@post stopRecording()
        val picture = path?.picture() ?: return@post
        val fresh = start(picture.height, picture.width)
        val records = try {
            path?.record(fresh.surface) == true
        } catch (error: GlException) {
            fresh.cancel()
            throw error
        }
        if (records) {
            recorder = fresh
            event(Event.Recording(true))
        } else {
            fresh.cancel()
            event(Event.NotSaved("video needs OpenGL"))
        }
    }

    fun close() {
        handler.post {
            ended = true
            stopRecording()
            closePath()
            closeStage()
            engines.close()
            thread.quitSafely()
        }
    }

    private fun post(work: () -> Unit) {
        handler.post {
            if (ended) return@post
            try {
                work()
            } catch (error: ContractException) {
                event(Event.ModelRefused(error.message ?: "it cannot be used"))
            } catch (error: EngineException) {
                event(Event.ModelRefused(error.message ?: "it cannot be opened"))
            } catch (error: GlException) {
                pixelsOnCpu(error.message ?: "OpenGL failed")
            } catch (error: IOException) {
                event(Event.NotSaved(error.message ?: "storage failed"))
            }
        }
    }

    /** The model chosen last, or else any that opens: what ended the app last time is not tried again. */
    private fun openFirst() {
        try {
            models = library.list { event(Event.LeftOut(it)) }
            val first = library.current()
            for (candidate in listOf(first) + models.filter { it.isBuiltIn && it.name != first.name }) {
                if (tryName(candidate, wanted) in guard.left) {
                    event(Event.LeftOut("${candidate.name} ended the app last time"))
                    continue
                }
                try {
                    open(candidate, wanted)
                    return
                } catch (error: EngineException) {
                    event(Event.ModelRefused("${candidate.name}: ${error.message}"))
                }
            }
        } catch (error: ContractException) {
            event(Event.ModelRefused(error.message ?: "there is none"))
        } catch (error: IOException) {
            event(Event.ModelRefused(error.message ?: "storage failed"))
        }
    }

    private fun open(found: StoredModel, processor: Processor) {
        val fresh = GuardedEngine(engines, found, processor, THREADS, guard) { refused, reason ->
            wanted = Processor.CPU
            event(Event.FellBack(refused.name, reason))
        }
        closePath()
        engine = fresh
        model = found
        val made = makePath(found, fresh)
        path = made
        made.attach(surface)
        status()
    }

    private fun makePath(found: StoredModel, engine: GuardedEngine): FramePath {
        val opened = try {
            openStage()?.also { it.egl.use(null) } // opening a model for the GPU may have left its own context current
        } catch (error: GlException) {
            refuseGl(error.message ?: "there is no OpenGL")
            closeStage()
            null
        }
        return opened?.let { GlPath(it, found.contract, engine) } ?: CpuPath(found.contract, engine)
    }

    /** OpenGL, opened once; null where it was refused. Throws GlException. */
    private fun openStage(): GlStage? {
        if (glRefused) return null
        return stage ?: GlStage(app.assets).also {
            stage = it
            if (!it.renderer.readsExternal) usePlanes()
        }
    }

    /** The camera's frames go another way from now on. */
    private fun usePlanes() {
        wantsTextures = false
        camera = null // CameraX says when it may be closed
        main.post(onOtherCamera)
    }

    private fun refuseGl(reason: String) {
        glRefused = true
        event(Event.PixelsOnCpu(reason))
        if (wantsTextures) usePlanes()
    }

    private fun pixelsOnCpu(reason: String) {
        refuseGl(reason)
        stopRecording()
        path?.close()
        path = null
        closeStage()
        val known = model ?: return
        path = engine?.let { CpuPath(known.contract, it) }?.also { it.attach(surface) }
    }

    private fun closeStage() {
        camera = null
        stage?.close()
        stage = null
    }

    private fun closePath() {
        stopRecording()
        path?.let { remember(it) }
        path?.close()
        path = null
        engine?.close()
        engine = null
    }

    private fun stopRecording() {
        val running = recorder ?: return
        recorder = null
        try {
            running.finish()
        } catch (error: IOException) {
            event(Event.NotSaved(error.message ?: "the video could not be written"))
        } finally {
            path?.record(null) // its surface is gone
        }
        event(Event.Recording(false))
    }

    private fun remember(path: FramePath) {
        if (path.times.inference.count > 10) model?.let { speeds[it.name] = path.times.inference.percentile(50.0) }
    }

    private fun status() {
        val known = model ?: return
        val times = path?.times ?: return
        path?.let { remember(it) }
        val processor = engine?.processor ?: Processor.CPU
        val residency = if (processor == Processor.CPU) known.contract.tfliteFor(processor).residency else ""
        val fresh = Status(
            known.name, models.map { describe(it) }, processor, residency, path?.name ?: "", times.rate.perSecond(),
            times.reading.percentile(50.0), times.inference.percentile(50.0), times.inference.percentile(90.0),
            times.compositing.percentile(50.0), path?.size,
        )
        main.post { onStatus(fresh) }
    }

    private fun describe(one: StoredModel): String {
        val artefact = one.contract.tfliteFor(Processor.CPU)
        val speed = speeds[one.name]?.let { ", %.1f ms".format(it) } ?: ""
        return "${one.name}: ${one.contract.height} x ${one.contract.width}, %.1f MB%s".format(artefact.bytes / 1e6, speed)
    }

    /** Tell the screen. */
    fun event(what: Event) {
        main.post { onEvent(what) }
    }

    private companion object {
        const val THREADS = 4
    }
}
