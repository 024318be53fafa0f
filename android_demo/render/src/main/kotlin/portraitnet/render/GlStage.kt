package portraitnet.render

import android.content.res.AssetManager
import java.util.concurrent.Executor

/**
 * OpenGL for as long as the app is used, whatever model it draws for: one context, one set of programs, and the camera's texture,
 * which would be lost with the context. Of one thread. Throws GlException where there is no OpenGL ES 3.
 */
class GlStage(assets: AssetManager) : AutoCloseable {
    val egl = EglCore()
    val renderer: GlRenderer

    init {
        try {
            renderer = GlRenderer(assets)
        } catch (error: GlException) {
            egl.close()
            throw error
        }
    }

    /** A texture for frames of [height] x [width]; see [CameraTexture]. */
    fun openCamera(height: Int, width: Int, worker: Executor, onFrames: (CameraTexture, Int) -> Unit): CameraTexture {
        egl.use(null)
        return CameraTexture(height, width, worker, onFrames)
    }

    /** Take the newest of [frames] that came into [camera]; when it was captured, in nanoseconds. */
    fun update(camera: CameraTexture, frames: Int): Long {
        egl.use(null) // a model on the GPU may have left its own context current
        return camera.update(frames)
    }

    override fun close() {
        renderer.close()
        egl.close()
    }
}
