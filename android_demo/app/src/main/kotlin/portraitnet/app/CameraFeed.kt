package portraitnet.app

import android.content.Context
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import androidx.lifecycle.LifecycleOwner
import java.util.concurrent.Executor
import portraitnet.core.Crop
import portraitnet.core.Frame
import portraitnet.core.Orientation
import portraitnet.core.Plane
import portraitnet.core.YuvFrame

/** The newest picture of the front or back camera, given on [worker]; older ones are dropped while it is busy. */
class CameraFeed(
    private val context: Context,
    private val owner: LifecycleOwner,
    private val worker: Executor,
    private val failed: (String) -> Unit,
    private val take: (Frame, Crop, Orientation, Long) -> Unit,
) {
    private var front = true

    /** Open the camera, or the other one after [flip]. */
    fun start() {
        val future = ProcessCameraProvider.getInstance(context)
        future.addListener({ bind(future.get()) }, ContextCompat.getMainExecutor(context))
    }

    /** Change between the front and the back camera. */
    fun flip() {
        front = !front
        start()
    }

    private fun bind(provider: ProcessCameraProvider) {
        val analysis = ImageAnalysis.Builder().setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST).build()
        analysis.setAnalyzer(worker) { image -> image.use { give(it) } }
        provider.unbindAll()
        try {
            val selector = if (front) CameraSelector.DEFAULT_FRONT_CAMERA else CameraSelector.DEFAULT_BACK_CAMERA
            provider.bindToLifecycle(owner, selector, analysis)
        } catch (error: IllegalArgumentException) { // a device without that camera
            failed(error.message ?: "there is none")
        } catch (error: IllegalStateException) {
            failed(error.message ?: "it is in use")
        }
    }

    private fun give(image: ImageProxy) {
        val (y, u, v) = image.planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }
        val rect = image.cropRect
        // Even corners, so that chroma is cut where luma is.
        val left = rect.left + rect.left % 2
        val top = rect.top + rect.top % 2
        take(
            YuvFrame(image.width, image.height, y, u, v),
            Crop(left, top, rect.right - left, rect.bottom - top),
            Orientation(image.imageInfo.rotationDegrees, front),
            image.imageInfo.timestamp,
        )
    }
}
