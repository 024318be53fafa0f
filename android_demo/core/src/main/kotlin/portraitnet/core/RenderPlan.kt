package portraitnet.core

import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.roundToInt

/** A rectangle of pixels. */
data class Box(val left: Int, val top: Int, val width: Int, val height: Int) {
    /** Where ([x], [y]) lies in it, from 0 to 1; null outside. */
    fun place(x: Float, y: Float): Pair<Float, Float>? {
        val place = (x - left) / width to (y - top) / height
        return place.takeIf { it.first in 0f..1f && it.second in 0f..1f }
    }
}

/** A picture of [height] x [width] on a screen of [screenHeight] x [screenWidth]: whole, centred. */
fun onScreen(height: Int, width: Int, screenHeight: Int, screenWidth: Int): Box {
    val scale = minOf(screenWidth.toFloat() / width, screenHeight.toFloat() / height)
    val wide = max(1, (width * scale).toInt())
    val tall = max(1, (height * scale).toInt())
    return Box((screenWidth - wide) / 2, (screenHeight - tall) / 2, wide, tall)
}

/** A texture that is drawn into: four channels, bytes or 16-bit floats. */
data class Target(val name: String, val height: Int, val width: Int, val halfFloats: Boolean = false)

/**
 * One draw with a fragment shader of runtime/shaders (or, for the camera, of render/) over whole [targets], or over [box] of
 * one. Uniforms are textures by name, and [values]: Int, Float, Boolean, IntArray or FloatArray.
 */
class Pass(
    val shader: String,
    val targets: List<String>,
    val textures: Map<String, String> = emptyMap(),
    val values: Map<String, Any> = emptyMap(),
    val box: Box? = null,
)

/** What the person is put before on the GPU. A picture is a texture named `picture` of the given size. */
sealed interface Scene {
    data class Blur(val strength: Double) : Scene
    data class Colour(val red: Int, val green: Int, val blue: Int) : Scene
    data class Picture(val height: Int, val width: Int) : Scene
    data object None : Scene
}

/**
 * All that the GPU draws for upright pictures of [height] x [width], as data: the same passes as the browser page's, over the same
 * shaders. Textures that come from outside: the camera's (see [planesPass] and [TextureView]), `raw` (the model's alpha, cropped
 * to the picture, one byte) and `picture`. Plain Kotlin, so that a computer can run it on any OpenGL and compare.
 */
class RenderPlan(val height: Int, val width: Int, modelHeight: Int, modelWidth: Int, geometry: String) {
    val letterbox = Letterbox.fit(height, width, modelHeight, modelWidth, geometry)

    private val frame = Target("frame", height, width)
    private val large = within("large", Constants.REFINE_LARGE)
    private val input = Target("input", modelHeight, modelWidth)

    /** By [camera] to `frame`, upright, and from there to `input`, the model's (whose border is cleared to grey). */
    fun before(camera: Pass) = Plan(
        listOf(frame, large, input),
        listOf(
            camera,
            shrink(large, frame, Box(0, 0, width, height), "frame"),
            shrink(input, large, Box(0, 0, large.width, large.height), "large", Box(letterbox.left, letterbox.top, letterbox.width, letterbox.height)),
        ),
    )

    class Plan(val targets: List<Target>, val passes: List<Pass>)

    /**
     * From `frame` and `raw` to `result`, the person before [scene]. A refined outline takes over [slow] of small changes from
     * the `alpha` of the frame before, which lies in `before` then; 0 takes it as it is (see AlphaSmoother.pace).
     */
    fun after(scene: Scene, refine: Boolean, slow: Float = 0f): Plan {
        val targets = ArrayList<Target>()
        val passes = ArrayList<Pass>()
        fun target(name: String, height: Int, width: Int, halfFloats: Boolean = false) =
            Target(name, height, width, halfFloats).also { targets.add(it) }

        var lines = "raw"
        if (refine) {
            val small = within("guide", Constants.REFINE_SMALL, large.height, large.width).also { targets.add(it) }
            passes += shrink(small, large, Box(0, 0, large.width, large.height), "raw")
            for (name in listOf("lines", "rows", "columns")) target(name, small.height, small.width, halfFloats = true)
            val radius = mapOf("radius" to Constants.REFINE_RADIUS)
            passes += Pass("fit", listOf("lines"), mapOf("guide" to "guide"), radius + ("smoothness" to Constants.REFINE_SMOOTHNESS))
            passes += Pass("window", listOf("rows"), mapOf("values" to "lines"), radius + ("direction" to intArrayOf(1, 0)))
            passes += Pass("window", listOf("columns"), mapOf("values" to "rows"), radius + ("direction" to intArrayOf(0, 1)))
            lines = "columns"
        }
        target("alpha", large.height, large.width, halfFloats = refine) // bytes are too coarse to follow small changes
        val levels = if (refine) floatArrayOf(Constants.REFINE_BLACK, Constants.REFINE_WHITE) else floatArrayOf(Constants.BLACK, Constants.WHITE)
        passes += Pass(
            "alpha", listOf("alpha"),
            mapOf("raw" to "raw", "lines" to lines, "picture" to "large", "before" to if (slow > 0) "before" else "raw"),
            mapOf(
                "refine" to refine, "levels" to levels, "steady" to (slow > 0),
                "pace" to floatArrayOf(slow, Constants.TREMBLE, Constants.MOTION),
            ),
        )
        var background = "alpha" // some texture has to be bound
        var change = "alpha"
        when (scene) {
            is Scene.Blur -> {
                blur(scene.strength, ::target, passes)
                background = "blurred"
            }
            is Scene.Picture -> {
                passes += shrink(target("covered", height, width), Target("picture", scene.height, scene.width), scene.covering(), "picture")
                background = "covered"
            }
            else -> Unit
        }
        val own = scene is Scene.Colour || scene is Scene.Picture
        if (own) {
            ownColours(::target, passes)
            change = "change"
        }
        target("result", height, width)
        val plain = if (scene is Scene.Colour) floatArrayOf(scene.red / 255f, scene.green / 255f, scene.blue / 255f) else FloatArray(3)
        passes += Pass(
            "compose", listOf("result"),
            mapOf("picture" to "frame", "alpha" to "alpha", "change" to change, "background" to background),
            mapOf(
                "kind" to if (scene is Scene.Colour) COLOUR else TEXTURE, "own" to own, "plain" to plain, "mirror" to false,
                // Right of the split is what was composed; without a background the whole picture is shown as it was.
                "mirrorBackground" to false, "wrap" to 0f, "split" to if (scene is Scene.None) 2f else 0f,
            ),
        )
        return Plan(targets, passes)
    }

    private fun blur(strength: Double, target: (String, Int, Int, Boolean) -> Target, passes: MutableList<Pass>) {
        val wanted = strength / 100 * max(height, width)
        val factor = max(1, (wanted / Constants.BLUR_PIXELS).toInt())
        val (tall, wide) = max(1, height / factor) to max(1, width / factor)
        val sigma = max(wanted / factor, 1e-3)
        val source = if (tall <= large.height) large else frame
        passes += shrink(target("values", tall, wide, false), source, Box(0, 0, source.width, source.height), "alpha")
        target("sums", tall, wide, true)
        target("blurred", tall, wide, false)
        val numbers = mapOf("radius" to ceil(4 * sigma).toInt(), "sigma" to sigma.toFloat(), "least" to Constants.BLUR_FLOOR)
        passes += Pass("blur", listOf("sums"), mapOf("values" to "values"), numbers + ("direction" to intArrayOf(1, 0)))
        passes += Pass("blur", listOf("blurred"), mapOf("values" to "sums"), numbers + ("direction" to intArrayOf(0, 1)))
    }

    private fun ownColours(target: (String, Int, Int, Boolean) -> Target, passes: MutableList<Pass>) {
        val factor = max(1, (max(height, width).toDouble() / Constants.FRINGE_LONGEST).roundToInt())
        val (tall, wide) = max(1, height / factor) to max(1, width / factor)
        passes += shrink(target("small", tall, wide, false), large, Box(0, 0, large.width, large.height), "alpha")
        for (name in listOf("person", "behind", "change")) target(name, tall, wide, true)
        val radius = mapOf("radius" to Constants.FRINGE_REACH)
        passes += Pass("weigh", listOf("person", "behind"), mapOf("small" to "small"), radius)
        passes += Pass(
            "own", listOf("change"), mapOf("small" to "small", "person" to "person", "behind" to "behind"),
            radius + ("little" to Constants.FRINGE_LITTLE),
        )
    }

    /** [part] of [source] at the size of [target] (or of [box] of it); [alpha] of the same view goes into the fourth channel. */
    private fun shrink(target: Target, source: Target, part: Box, alpha: String, box: Box? = null): Pass {
        val wide = box?.width ?: target.width
        val tall = box?.height ?: target.height
        fun taps(ratio: Double) = ceil(ratio / 2).toInt().coerceIn(1, MOST_TAPS)
        return Pass(
            "shrink", listOf(target.name), mapOf("picture" to source.name, "alpha" to alpha),
            mapOf(
                "both" to (alpha != source.name),
                "taps" to intArrayOf(taps(part.width.toDouble() / wide), taps(part.height.toDouble() / tall)),
                "size" to floatArrayOf(wide.toFloat(), tall.toFloat()),
                "first" to floatArrayOf(part.left.toFloat() / source.width, part.top.toFloat() / source.height),
                "extent" to floatArrayOf(part.width.toFloat() / source.width, part.height.toFloat() / source.height),
            ),
            box,
        )
    }

    private fun within(name: String, longest: Int, tall: Int = height, wide: Int = width): Target {
        val scale = minOf(1.0, longest.toDouble() / max(tall, wide))
        return Target(name, max(1, (tall * scale).roundToInt()), max(1, (wide * scale).roundToInt()))
    }

    /** The largest part of the picture with the frame's shape. */
    private fun Scene.Picture.covering(): Box {
        val scale = max(this@RenderPlan.height.toDouble() / height, this@RenderPlan.width.toDouble() / width)
        val tall = Math.rint(this@RenderPlan.height / scale).toInt().coerceIn(1, height)
        val wide = Math.rint(this@RenderPlan.width / scale).toInt().coerceIn(1, width)
        return Box((width - wide) / 2, (height - tall) / 2, wide, tall)
    }

    private companion object {
        const val COLOUR = 1
        const val TEXTURE = 2
        const val MOST_TAPS = 32
    }
}
