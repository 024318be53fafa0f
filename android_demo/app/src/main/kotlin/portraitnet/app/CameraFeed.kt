package portraitnet.app

import android.content.Context
import android.util.Size
import androidx.camera.core.Camera
import androidx.camera.core.CameraSelector
import androidx.camera.core.FocusMeteringAction
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.SurfaceOrientedMeteringPointFactory
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
import portraitnet.core.sensorPlace

/** What takes the camera's frames, on its own thread. The frame is good until the call returns. */
fun interface FrameTaker {
    fun take(frame: YuvFrame, crop: Crop, orientation: Orientation, nanoseconds: Long)
}

/** The newest picture of the front or back camera, given on [worker]; older ones are dropped while it is busy. */
class CameraFeed(private val context: Context, private val worker: Executor, private val failed: (String) -> Unit, private val taker: FrameTaker) {
    var front = true
        private set
    private var camera: Camera? = null
    private var analysis: ImageAnalysis? = null
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
        analysis?.targetRotation = rotation
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
        val wish = ResolutionStrategy(Size(1280, 720), ResolutionStrategy.FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER)
        val fresh = ImageAnalysis.Builder()
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .setResolutionSelector(ResolutionSelector.Builder().setResolutionStrategy(wish).build())
            .setTargetRotation(rotation)
            .build()
        val mirrored = front
        fresh.setAnalyzer(worker) { image -> image.use { give(it, mirrored) } }
        provider.unbindAll()
        try {
            val selector = if (front) CameraSelector.DEFAULT_FRONT_CAMERA else CameraSelector.DEFAULT_BACK_CAMERA
            camera = provider.bindToLifecycle(owner, selector, fresh)
            analysis = fresh
        } catch (error: IllegalArgumentException) { // a device without that camera
            failed(error.message ?: "there is none")
        } catch (error: IllegalStateException) {
            failed(error.message ?: "it is in use")
        }
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
