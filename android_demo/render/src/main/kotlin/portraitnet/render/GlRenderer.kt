package portraitnet.render

import android.content.res.AssetManager
import android.opengl.GLES11Ext
import android.opengl.GLES30
import java.io.IOException
import java.nio.ByteBuffer
import portraitnet.core.Box
import portraitnet.core.Constants
import portraitnet.core.Pass
import portraitnet.core.RenderPlan
import portraitnet.core.Target
import portraitnet.core.onScreen

private const val VERTEX = "whole.vert.glsl"
private const val FRAGMENT = ".frag.glsl"
private const val EXTERNAL = "external$FRAGMENT"

/** A compiled shader, and its uniforms' places and types by name. */
private class Program(val id: Int, val uniforms: Map<String, Pair<Int, Int>>)

/** A texture on the GPU, of one, two or four channels. */
private class Texture(val id: Int, val height: Int, val width: Int, val format: Int)

/**
 * Draws [RenderPlan]s with the shaders that the app's assets hold: those of runtime/shaders, which the browser page uses too,
 * and the camera's. Of the thread that made it, whose context must be current. Throws GlException.
 */
class GlRenderer(assets: AssetManager) : AutoCloseable {
    private val programs: Map<String, Program>
    private val textures = HashMap<String, Texture>()
    private val lent = HashMap<String, Int>()
    private val frameBuffer: Int

    /** Whether shaders can read a camera's external texture; else its planes have to be uploaded. */
    val readsExternal: Boolean

    init {
        val extensions = GLES30.glGetString(GLES30.GL_EXTENSIONS) ?: ""
        if ("EXT_color_buffer_float" !in extensions && "EXT_color_buffer_half_float" !in extensions) {
            throw GlException("this GPU draws into no 16-bit floats")
        }
        readsExternal = "GL_OES_EGL_image_external_essl3" in extensions
        try {
            val vertex = compile(GLES30.GL_VERTEX_SHADER, text(assets, VERTEX), VERTEX)
            val fragments = assets.list("").orEmpty().filter { it.endsWith(FRAGMENT) && (readsExternal || it != EXTERNAL) }
            programs = fragments.associate { name ->
                name.removeSuffix(FRAGMENT) to link(vertex, compile(GLES30.GL_FRAGMENT_SHADER, text(assets, name), name), name)
            }
        } catch (error: IOException) {
            throw GlException("the shaders are missing: ${error.message}")
        }
        frameBuffer = IntArray(1).also { GLES30.glGenFramebuffers(1, it, 0) }[0]
        GLES30.glPixelStorei(GLES30.GL_UNPACK_ALIGNMENT, 1)
        GLES30.glPixelStorei(GLES30.GL_PACK_ALIGNMENT, 1)
        GLES30.glBindVertexArray(IntArray(1).also { GLES30.glGenVertexArrays(1, it, 0) }[0])
    }

    /** Put [bytes] (height x width x channels, direct) into the texture [name]; of 1, 2 or 4 channels. */
    fun upload(name: String, bytes: ByteBuffer, height: Int, width: Int, channels: Int) {
        val (format, layout) = when (channels) {
            1 -> GLES30.GL_R8 to GLES30.GL_RED
            2 -> GLES30.GL_RG8 to GLES30.GL_RG
            else -> GLES30.GL_RGBA8 to GLES30.GL_RGBA
        }
        if (bytes.remaining() < height * width * channels) throw GlException("$name has too few bytes")
        ensure(name, height, width, format)
        GLES30.glTexSubImage2D(GLES30.GL_TEXTURE_2D, 0, 0, 0, width, height, layout, GLES30.GL_UNSIGNED_BYTE, bytes)
        check(name)
    }

    /** Let the textures [first] and [second] change names. Either may not be there yet. */
    fun swap(first: String, second: String) {
        val (one, other) = textures.remove(first) to textures.remove(second)
        if (one != null) textures[second] = one
        if (other != null) textures[first] = other
    }

    /** Let passes read the external texture [id] as [name]. It stays its owner's, who deletes it. */
    fun lend(name: String, id: Int) {
        lent[name] = id
    }

    fun draw(plan: RenderPlan.Plan) {
        for (target in plan.targets) ensure(target)
        for (pass in plan.passes) draw(pass)
    }

    /** The texture [name] onto the surface that is current (of [width] x [height]), whole, centred, on black. */
    fun show(name: String, width: Int, height: Int) {
        val texture = texture(name)
        val box = onScreen(texture.height, texture.width, height, width)
        GLES30.glBindFramebuffer(GLES30.GL_FRAMEBUFFER, 0)
        GLES30.glClearColor(0f, 0f, 0f, 1f)
        GLES30.glClear(GLES30.GL_COLOR_BUFFER_BIT)
        val values = mapOf<String, Any>(
            "both" to false, "taps" to intArrayOf(1, 1), "size" to floatArrayOf(box.width.toFloat(), box.height.toFloat()),
            "first" to floatArrayOf(0f, 0f), "extent" to floatArrayOf(1f, 1f), "screen" to true,
        )
        run("shrink", mapOf("picture" to name, "alpha" to name), values, box)
        check("show")
    }

    /** The bytes of the target [name], its top row first: RGBA, into [into] (direct, height x width x 4). */
    fun read(name: String, into: ByteBuffer) {
        val texture = texture(name)
        if (into.capacity() < 4 * texture.height * texture.width) throw GlException("$name has more bytes than that")
        bind(listOf(name))
        into.rewind()
        GLES30.glReadPixels(0, 0, texture.width, texture.height, GLES30.GL_RGBA, GLES30.GL_UNSIGNED_BYTE, into)
        check(name)
    }

    override fun close() {
        val ids = textures.values.map { it.id }.toIntArray()
        GLES30.glDeleteTextures(ids.size, ids, 0)
        GLES30.glDeleteFramebuffers(1, intArrayOf(frameBuffer), 0)
        for (program in programs.values) GLES30.glDeleteProgram(program.id)
        textures.clear()
    }

    private fun draw(pass: Pass) {
        bind(pass.targets)
        val first = texture(pass.targets.first())
        val box = pass.box ?: Box(0, 0, first.width, first.height)
        if (pass.box != null) {
            val grey = Constants.PAD / 255f
            GLES30.glClearColor(grey, grey, grey, 1f)
            GLES30.glClear(GLES30.GL_COLOR_BUFFER_BIT)
        }
        run(pass.shader, pass.textures, pass.values + ("screen" to false), box)
        check(pass.shader)
    }

    private fun run(shader: String, inputs: Map<String, String>, values: Map<String, Any>, box: Box) {
        val program = programs[shader] ?: throw GlException("there is no shader $shader")
        GLES30.glUseProgram(program.id)
        GLES30.glViewport(box.left, box.top, box.width, box.height)
        var unit = 0
        for ((name, input) in inputs) {
            val (place, _) = program.uniforms[name] ?: continue
            GLES30.glActiveTexture(GLES30.GL_TEXTURE0 + unit)
            val external = lent[input]
            if (external == null) GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, texture(input).id)
            else GLES30.glBindTexture(GLES11Ext.GL_TEXTURE_EXTERNAL_OES, external)
            GLES30.glUniform1i(place, unit++)
        }
        GLES30.glActiveTexture(GLES30.GL_TEXTURE0)
        for ((name, value) in values) {
            val (place, _) = program.uniforms[name] ?: continue // the driver left it out: nothing depends on it
            when (value) {
                is Int -> GLES30.glUniform1i(place, value)
                is Boolean -> GLES30.glUniform1i(place, if (value) 1 else 0)
                is Float -> GLES30.glUniform1f(place, value)
                is IntArray -> GLES30.glUniform2iv(place, 1, value, 0)
                is FloatArray -> if (value.size == 2) GLES30.glUniform2fv(place, 1, value, 0) else GLES30.glUniform3fv(place, 1, value, 0)
                else -> throw GlException("$shader: $name has no type of a uniform")
            }
        }
        GLES30.glDrawArrays(GLES30.GL_TRIANGLES, 0, 3)
    }

    private fun bind(targets: List<String>) {
        GLES30.glBindFramebuffer(GLES30.GL_FRAMEBUFFER, frameBuffer)
        val attachments = IntArray(targets.size) { GLES30.GL_COLOR_ATTACHMENT0 + it }
        for (i in 0 until MOST_TARGETS) {
            val id = if (i < targets.size) texture(targets[i]).id else 0
            GLES30.glFramebufferTexture2D(GLES30.GL_FRAMEBUFFER, GLES30.GL_COLOR_ATTACHMENT0 + i, GLES30.GL_TEXTURE_2D, id, 0)
        }
        GLES30.glDrawBuffers(attachments.size, attachments, 0)
    }

    private fun texture(name: String) = textures[name] ?: throw GlException("there is no texture $name")

    private fun ensure(target: Target) =
        ensure(target.name, target.height, target.width, if (target.halfFloats) GLES30.GL_RGBA16F else GLES30.GL_RGBA8)

    /** Bind the texture [name], made anew where its size or format changed. */
    private fun ensure(name: String, height: Int, width: Int, format: Int) {
        val known = textures[name]
        if (known != null && known.height == height && known.width == width && known.format == format) {
            GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, known.id)
            return
        }
        if (known != null) GLES30.glDeleteTextures(1, intArrayOf(known.id), 0)
        val id = IntArray(1).also { GLES30.glGenTextures(1, it, 0) }[0]
        GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, id)
        GLES30.glTexStorage2D(GLES30.GL_TEXTURE_2D, 1, format, width, height)
        for (side in listOf(GLES30.GL_TEXTURE_WRAP_S, GLES30.GL_TEXTURE_WRAP_T)) {
            GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, side, GLES30.GL_CLAMP_TO_EDGE)
        }
        for (way in listOf(GLES30.GL_TEXTURE_MIN_FILTER, GLES30.GL_TEXTURE_MAG_FILTER)) {
            GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, way, GLES30.GL_LINEAR)
        }
        textures[name] = Texture(id, height, width, format)
        check(name)
    }

    private fun check(what: String) {
        val error = GLES30.glGetError()
        if (error != GLES30.GL_NO_ERROR) throw GlException("OpenGL: $what (0x${Integer.toHexString(error)})")
    }

    private companion object {
        const val MOST_TARGETS = 2
    }
}

private fun text(assets: AssetManager, name: String) = assets.open(name).bufferedReader().use { it.readText() }

private fun compile(kind: Int, text: String, name: String): Int {
    val shader = GLES30.glCreateShader(kind)
    GLES30.glShaderSource(shader, text)
    GLES30.glCompileShader(shader)
    val done = IntArray(1).also { GLES30.glGetShaderiv(shader, GLES30.GL_COMPILE_STATUS, it, 0) }[0]
    if (done == 0) throw GlException("$name: ${GLES30.glGetShaderInfoLog(shader)}")
    return shader
}

private fun link(vertex: Int, fragment: Int, name: String): Program {
    val id = GLES30.glCreateProgram()
    GLES30.glAttachShader(id, vertex)
    GLES30.glAttachShader(id, fragment)
    GLES30.glLinkProgram(id)
    val done = IntArray(1).also { GLES30.glGetProgramiv(id, GLES30.GL_LINK_STATUS, it, 0) }[0]
    if (done == 0) throw GlException("$name: ${GLES30.glGetProgramInfoLog(id)}")
    val count = IntArray(1).also { GLES30.glGetProgramiv(id, GLES30.GL_ACTIVE_UNIFORMS, it, 0) }[0]
    val uniforms = (0 until count).associate { index ->
        val size = IntArray(1)
        val type = IntArray(1)
        val uniform = GLES30.glGetActiveUniform(id, index, size, 0, type, 0)
        uniform to (GLES30.glGetUniformLocation(id, uniform) to type[0])
    }
    return Program(id, uniforms)
}
