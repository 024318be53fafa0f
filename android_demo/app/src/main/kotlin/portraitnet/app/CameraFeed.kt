package portraitnet.app

import android.content.Context
import android.util.Size
import androidx.camera.core.Camera
import androidx.camera.core.CameraSelector
import androidx.camera.core.CameraState
import androidx.camera.core.FocusMeteringAction
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.Preview
import androidx.camera.core.SurfaceOrientedMeteringPointFactory
import androidx.camera.core.SurfaceRequest
import androidx.camera.core.resolutionselector.ResolutionSelector
import androidx.camera.core.resolutionselector.ResolutionStrategy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import androidx.lifecycle.LifecycleOwner
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executor
import portraitnet.core.Crop
import portraitnet.core.Orientation
import portraitnet.core.Plane
import portraitnet.core.YuvFrame
import portraitnet.core.orientationAfterMatrix
import portraitnet.core.sensorPlace
import portraitnet.render.CameraTexture

/** What takes the camera's frames, on one thread: [worker]'s. */
interface FrameTaker {
    val worker: Executor

    /** Whether the camera is to draw into textures; else it gives planes. */
    val wantsTextures: Boolean

    /** A texture for frames of this size; null where there is no OpenGL. On [worker]. */
    fun openTexture(height: Int, width: Int): CameraTexture?

    /** A frame's planes, good until the call returns. On [worker]. */
    fun take(frame: YuvFrame, crop: Crop, orientation: Orientation, nanoseconds: Long)

    /** The camera cannot draw into a texture here. */
    fun refuseTextures(reason: String)
}

/** The newest picture of the front or back camera, given to [taker]; older ones are dropped while it is busy. */
class CameraFeed(private val context: Context, private val failed: (String) -> Unit, private val taker: FrameTaker) {
    var front = true
        private set
    private var camera: Camera? = null
    private var turn: (rotation: Int) -> Unit = {}
    @Volatile private var display = 0 // the screen's turn, in degrees
    @Volatile private var orientation = Orientation(0, true)

    /** Open the camera for as long as [owner] is shown. [rotation] is the display's (Surface.ROTATION_0 ...). */
    fun start(owner: LifecycleOwner, rotation: Int) {
        val future = ProcessCameraProvider.getInstance(context)
        val bind = Runnable {
            // Done, so this does not wait; a phone whose camera service is broken throws here.
            val provider = try {
                future.get()
            } catch (error: ExecutionException) {
                failed(error.cause?.message ?: "the camera service does not answer")
                return@Runnable
            }
            bind(provider, owner, rotation)
        }
        future.addListener(bind, ContextCompat.getMainExecutor(context))
    }

    /** Change between the front and the back camera. */
    fun flip(owner: LifecycleOwner, rotation: Int) {
        front = !front
        start(owner, rotation)
    }

    /** The display was turned, perhaps by 180 degrees, of which the system says nothing else. */
    fun turned(rotation: Int) {
        display = 90 * rotation
        turn(rotation)
    }

    /** [factor] times as near as now. */
    fun zoom(factor: Float) {
        val camera = camera ?: return
        val zoom = camera.cameraInfo.zoomState.value ?: return
        camera.cameraControl.setZoomRatio((zoom.zoomRatio * factor).coerceIn(zoom.minZoomRatio, zoom.maxZoomRatio))
    }

    /** Focus where the upright picture was touched; both from 0 to 1. */
    fun focus(x: Float, y: Float) {
        val camera = camera ?: return
        val (across, down) = orientation.sensorPlace(x, y)
        val point = SurfaceOrientedMeteringPointFactory(1f, 1f).createPoint(across, down)
        camera.cameraControl.startFocusAndMetering(FocusMeteringAction.Builder(point).build())
    }

    private fun bind(provider: ProcessCameraProvider, owner: LifecycleOwner, rotation: Int) {
        display = 90 * rotation
        val wish = ResolutionStrategy(Size(1280, 720), ResolutionStrategy.FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER)
        val resolution = ResolutionSelector.Builder().setResolutionStrategy(wish).build()
        val case = if (taker.wantsTextures) textures(resolution, rotation) else planes(resolution, rotation)
        provider.unbindAll()
        try {
            val selector = if (front) CameraSelector.DEFAULT_FRONT_CAMERA else CameraSelector.DEFAULT_BACK_CAMERA
            val bound = provider.bindToLifecycle(owner, selector, case)
            bound.cameraInfo.cameraState.observe(owner) { state -> state.error?.let { tell(it.code) } }
            camera = bound
        } catch (error: IllegalArgumentException) { // a device without that camera
            failed(error.message ?: "there is none")
        } catch (error: IllegalStateException) {
            failed(error.message ?: "it is in use")
        }
    }

    private fun tell(code: Int) = when (code) {
        CameraState.ERROR_CAMERA_IN_USE, CameraState.ERROR_MAX_CAMERAS_IN_USE -> failed("another app uses it")
        CameraState.ERROR_CAMERA_DISABLED -> failed("this phone's settings forbid it")
        CameraState.ERROR_DO_NOT_DISTURB_MODE_ENABLED -> failed("turn off \"do not disturb\"")
        CameraState.ERROR_STREAM_CONFIG -> taker.refuseTextures("the texture, which this camera does not draw into; its pixels are copied instead")
        else -> failed("error $code of the camera service")
    }

    /** The camera draws into an external texture of the GPU, and no pixel passes the CPU. */
    private fun textures(resolution: ResolutionSelector, rotation: Int): Preview {
        val mirrored = front
        val fresh = Preview.Builder().setResolutionSelector(resolution).setTargetRotation(rotation).build()
        fresh.setSurfaceProvider(taker.worker) { request -> provide(request, mirrored) }
        turn = { fresh.targetRotation = it }
        return fresh
    }

    /** Answer [request], on the worker, with a texture of its own: CameraX wants no surface twice. */
    private fun provide(request: SurfaceRequest, mirrored: Boolean) {
        val texture = taker.openTexture(request.resolution.height, request.resolution.width)
        if (texture == null) {
            request.willNotProvideSurface()
            return
        }
        texture.orientation = orientationAfterMatrix(display, true, 0, mirrored)
        request.setTransformationInfoListener(taker.worker) { info ->
            orientation = Orientation(info.rotationDegrees, mirrored)
            texture.orientation = orientationAfterMatrix(display, info.hasCameraTransform(), info.rotationDegrees, info.isMirroring)
        }
        request.provideSurface(texture.surface, taker.worker) { texture.close() } // the camera has let go of it
    }

    /** The camera's planes are read, to be uploaded or worked on by the CPU. */
    private fun planes(resolution: ResolutionSelector, rotation: Int): ImageAnalysis {
        val mirrored = front
        val fresh = ImageAnalysis.Builder()
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .setResolutionSelector(resolution)
            .setTargetRotation(rotation)
            .build()
        fresh.setAnalyzer(taker.worker) { image -> image.use { give(it, mirrored) } }
        turn = { fresh.targetRotation = it }
        return fresh
    }

    private fun give(image: ImageProxy, mirrored: Boolean) {
        val (y, u, v) = image.planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }
        val rect = image.cropRect
        // Even corners, so that chroma is cut where luma is.
        val left = rect.left + rect.left % 2
        val top = rect.top + rect.top % 2
        val turn = Orientation(image.imageInfo.rotationDegrees, mirrored)
        orientation = turn
        val crop = Crop(left, top, rect.right - left, rect.bottom - top)
        taker.take(YuvFrame(image.width, image.height, y, u, v), crop, turn, image.imageInfo.timestamp)
    }
}
