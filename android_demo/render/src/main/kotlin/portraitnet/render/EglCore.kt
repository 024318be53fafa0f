package portraitnet.render

import android.opengl.EGL14
import android.opengl.EGLConfig
import android.opengl.EGLContext
import android.opengl.EGLExt
import android.opengl.EGLSurface
import android.view.Surface

/** OpenGL cannot be had, or failed; the message is for people. */
class GlException(message: String) : Exception(message)

/** An OpenGL ES 3 context of one thread, and the surfaces that it can draw on. Throws GlException where there is none. */
class EglCore : AutoCloseable {
    private val display = EGL14.eglGetDisplay(EGL14.EGL_DEFAULT_DISPLAY)
    private val config: EGLConfig
    private val context: EGLContext
    private val offscreen: EGLSurface

    init {
        val version = IntArray(2)
        wanted(EGL14.eglInitialize(display, version, 0, version, 1), "no display")
        val wish = intArrayOf(
            EGL14.EGL_RED_SIZE, 8, EGL14.EGL_GREEN_SIZE, 8, EGL14.EGL_BLUE_SIZE, 8, EGL14.EGL_ALPHA_SIZE, 8,
            EGL14.EGL_RENDERABLE_TYPE, EGLExt.EGL_OPENGL_ES3_BIT_KHR,
            EGL14.EGL_SURFACE_TYPE, EGL14.EGL_WINDOW_BIT or EGL14.EGL_PBUFFER_BIT,
            EGLExt.EGL_RECORDABLE_ANDROID, 1,
            EGL14.EGL_NONE,
        )
        val configs = arrayOfNulls<EGLConfig>(1)
        val count = IntArray(1)
        wanted(EGL14.eglChooseConfig(display, wish, 0, configs, 0, 1, count, 0), "no configuration")
        config = configs[0] ?: throw GlException("this device has no OpenGL ES 3")
        val version3 = intArrayOf(EGL14.EGL_CONTEXT_CLIENT_VERSION, 3, EGL14.EGL_NONE)
        context = EGL14.eglCreateContext(display, config, EGL14.EGL_NO_CONTEXT, version3, 0)
        wanted(context != EGL14.EGL_NO_CONTEXT, "no context")
        val size = intArrayOf(EGL14.EGL_WIDTH, 1, EGL14.EGL_HEIGHT, 1, EGL14.EGL_NONE)
        offscreen = EGL14.eglCreatePbufferSurface(display, config, size, 0)
        wanted(offscreen != EGL14.EGL_NO_SURFACE, "no surface")
        use(null)
    }

    /** A surface of the system (a view's, or a video encoder's) that can be drawn on. */
    inner class Window(surface: Surface) : AutoCloseable {
        internal val handle: EGLSurface = try {
            EGL14.eglCreateWindowSurface(display, config, surface, intArrayOf(EGL14.EGL_NONE), 0)
        } catch (error: IllegalArgumentException) { // it is gone already
            throw GlException("the surface cannot be drawn on: ${error.message}")
        }

        init {
            wanted(handle != EGL14.EGL_NO_SURFACE, "the surface cannot be drawn on")
        }

        val width get() = size(EGL14.EGL_WIDTH)
        val height get() = size(EGL14.EGL_HEIGHT)

        /** Show what was drawn; for a video, at [nanoseconds]. */
        fun swap(nanoseconds: Long? = null) {
            if (nanoseconds != null) EGLExt.eglPresentationTimeANDROID(display, handle, nanoseconds)
            wanted(EGL14.eglSwapBuffers(display, handle), "the surface is gone")
        }

        override fun close() {
            makeCurrent(offscreen) // where it fails the context is lost, and there is nothing to leave
            EGL14.eglDestroySurface(display, handle)
        }

        private fun size(what: Int) = IntArray(1).also { EGL14.eglQuerySurface(display, handle, what, it, 0) }[0]
    }

    /** Draw on [window] from now on; on nothing but textures when it is null. */
    fun use(window: Window?) {
        wanted(makeCurrent(window?.handle ?: offscreen), "the context is lost")
    }

    private fun makeCurrent(surface: EGLSurface) = EGL14.eglMakeCurrent(display, surface, surface, context)

    override fun close() {
        EGL14.eglMakeCurrent(display, EGL14.EGL_NO_SURFACE, EGL14.EGL_NO_SURFACE, EGL14.EGL_NO_CONTEXT)
        EGL14.eglDestroySurface(display, offscreen)
        EGL14.eglDestroyContext(display, context)
        EGL14.eglTerminate(display)
    }

    private fun wanted(had: Boolean, what: String) {
        if (!had) throw GlException("OpenGL: $what (EGL 0x${Integer.toHexString(EGL14.eglGetError())})")
    }
}
