package portraitnet.render

import android.graphics.SurfaceTexture
import android.opengl.GLES11Ext
import android.opengl.GLES30
import android.os.Handler
import android.os.Looper
import android.view.Surface
import java.util.concurrent.Executor
import portraitnet.core.NewestOnly
import portraitnet.core.Orientation
import portraitnet.core.TextureView

/**
 * A camera's frames of [height] x [width] (the sensor's) as an external texture, [id]. The camera draws on [surface]; when frames
 * came, [onFrames] hears on [worker], the thread of the context that was current when this was made, how many. All else is
 * of that thread too. To be closed when the camera has let go of the surface, not before.
 */
class CameraTexture(
    private val height: Int, private val width: Int, worker: Executor, private val onFrames: (CameraTexture, Int) -> Unit,
) : AutoCloseable {
    val id = IntArray(1).also { GLES30.glGenTextures(1, it, 0) }[0]
    private val texture: SurfaceTexture
    val surface: Surface
    private val matrix = FloatArray(16)
    private val newest = NewestOnly(worker) { count -> if (!isClosed) onFrames(this, count) }
    private var isClosed = false

    /** What is left to turn after the texture's own matrix. */
    @Volatile var orientation = Orientation(0, false)

    init {
        GLES30.glBindTexture(GLES11Ext.GL_TEXTURE_EXTERNAL_OES, id)
        for (side in listOf(GLES30.GL_TEXTURE_WRAP_S, GLES30.GL_TEXTURE_WRAP_T)) {
            GLES30.glTexParameteri(GLES11Ext.GL_TEXTURE_EXTERNAL_OES, side, GLES30.GL_CLAMP_TO_EDGE)
        }
        for (way in listOf(GLES30.GL_TEXTURE_MIN_FILTER, GLES30.GL_TEXTURE_MAG_FILTER)) {
            GLES30.glTexParameteri(GLES11Ext.GL_TEXTURE_EXTERNAL_OES, way, GLES30.GL_LINEAR)
        }
        val error = GLES30.glGetError()
        if (error != GLES30.GL_NO_ERROR) throw GlException("OpenGL: the camera's texture (0x${Integer.toHexString(error)})")
        texture = SurfaceTexture(id)
        texture.setDefaultBufferSize(width, height)
        // Heard on the main thread: on a busy worker's the counting would wait until the work is done.
        texture.setOnFrameAvailableListener({ newest.arrived() }, Handler(Looper.getMainLooper()))
        surface = Surface(texture)
    }

    /** Take the newest of [frames] that came; when it was captured, in nanoseconds. Throws GlException. */
    fun update(frames: Int): Long {
        try {
            // One frame a call, the oldest first; where the system dropped some, the last calls change nothing.
            repeat(frames) { texture.updateTexImage() }
        } catch (error: RuntimeException) { // IllegalStateException for a lost context, RuntimeException itself for the rest
            throw GlException("the camera's frame cannot be read: ${error.message}")
        }
        return texture.timestamp
    }

    /** How the frame lies that was taken last. */
    fun view(): TextureView {
        texture.getTransformMatrix(matrix)
        return TextureView(height, width, matrix, orientation)
    }

    override fun close() {
        if (isClosed) return
        isClosed = true
        texture.setOnFrameAvailableListener(null)
        surface.release()
        texture.release()
        GLES30.glDeleteTextures(1, intArrayOf(id), 0)
    }
}
