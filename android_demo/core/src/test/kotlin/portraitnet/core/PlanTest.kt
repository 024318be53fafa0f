package portraitnet.core

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** What the GPU is to draw. Written out for tests/android/test_render.py, which draws it and compares with Python. */
class PlanTest {
    @Test
    fun plansAreWrittenForPythonToDraw() {
        for (case in Golden.cases("plans")) {
            val (left, top, width, height) = ints(case, "crop")
            val (targetHeight, targetWidth) = ints(case, "target")
            val (u, v) = ints(case, "chroma")
            val crop = Crop(left, top, width, height)
            val orientation = Orientation(case.getInt("degrees"), case.getBoolean("mirror"))
            val (tall, wide) = orientation.upright(height, width)
            val plan = RenderPlan(tall, wide, targetHeight, targetWidth, case.getString("geometry"))
            val before = plan.before(planesPass(crop, orientation, u to v))
            val scene = when (case.getString("scene")) {
                "blur" -> Scene.Blur(case.getDouble("strength"))
                "colour" -> ints(case, "colour").let { (red, green, blue) -> Scene.Colour(red, green, blue) }
                "picture" -> ints(case, "picture_size").let { (tall, wide) -> Scene.Picture(tall, wide) }
                else -> Scene.None
            }
            val after = plan.after(scene, case.getBoolean("refine"))
            val steady = plan.after(scene, case.getBoolean("refine"), SLOW)
            val box = plan.letterbox
            val text = JSONObject()
                .put("box", JSONArray(listOf(box.top, box.left, box.height, box.width)))
                .put("before", json(before)).put("after", json(after)).put("steady", json(steady)).toString()
            Golden.write("plan-${case.getString("name")}.json", text)
            assertDrawnBeforeRead(before, setOf("luma", "first", "second"))
            assertDrawnBeforeRead(after, setOf("frame", "large", "raw", "picture"))
            assertDrawnBeforeRead(steady, setOf("frame", "large", "raw", "picture", "before"))
        }
    }

    @Test
    fun passesFromTexturesAreWrittenForPythonToDraw() {
        for (case in Golden.cases("textures")) {
            val (height, width) = ints(case, "buffer_size")
            val matrix = case.getJSONArray("matrix").let { values -> FloatArray(16) { values.getDouble(it).toFloat() } }
            val left = orientationAfterMatrix(
                case.getInt("display"), case.getBoolean("from_camera"), case.getInt("degrees"), case.getBoolean("mirror"),
            )
            val view = TextureView(height, width, matrix, left)
            assertEquals(case.getString("name"), ints(case, "upright_size"), listOf(view.height, view.width))
            val before = RenderPlan(view.height, view.width, 64, 64, LETTERBOX).before(view.pass())
            assertDrawnBeforeRead(before, setOf("camera"))
            Golden.write("texture-${case.getString("name")}.json", json(before).toString())
        }
    }

    /** Android's matrix and the display's turn give what CameraX says of the same picture: how the sensor's lies. */
    @Test
    fun theMatrixAndTheDisplayGiveTheRotationThatPlanesHave() {
        for (case in Golden.cases("textures").filter { it.getBoolean("from_camera") && it.getBoolean("whole") }) {
            val (height, width) = ints(case, "buffer_size")
            val matrix = case.getJSONArray("matrix").let { values -> FloatArray(16) { values.getDouble(it).toFloat() } }
            val values = TextureView(height, width, matrix, orientationAfterMatrix(case.getInt("display"), true, 0, false)).pass().values
            val planes = Orientation(case.getInt("degrees"), case.getBoolean("mirror"))
            fun at(name: String, i: Int) = (values.getValue(name) as FloatArray)[i]
            for ((x, y) in listOf(0f to 0f, 0.25f to 0.5f, 1f to 0.75f)) {
                val (across, down) = planes.sensorPlace(x, y)
                assertEquals(case.getString("name"), across, at("origin", 0) + x * at("right", 0) + y * at("down", 0), 1e-6f)
                assertEquals(case.getString("name"), down, at("origin", 1) + x * at("right", 1) + y * at("down", 1), 1e-6f)
            }
        }
    }

    @Test
    fun constantsAreThoseOfPython() {
        val case = Golden.cases("constants").single()
        fun number(group: String, name: String) = case.getJSONObject(group).getDouble(name)
        val pairs = mapOf(
            ("levels" to "black") to Constants.BLACK, ("levels" to "white") to Constants.WHITE,
            ("smoothing" to "follow") to Constants.FOLLOW, ("smoothing" to "tremble") to Constants.TREMBLE,
            ("smoothing" to "motion") to Constants.MOTION, ("smoothing" to "pause") to Constants.PAUSE,
            ("smoothing" to "frames_per_second") to Constants.FRAMES_PER_SECOND,
            ("refine" to "small") to Constants.REFINE_SMALL, ("refine" to "large") to Constants.REFINE_LARGE,
            ("refine" to "radius") to Constants.REFINE_RADIUS, ("refine" to "smoothness") to Constants.REFINE_SMOOTHNESS,
            ("refine" to "black") to Constants.REFINE_BLACK, ("refine" to "white") to Constants.REFINE_WHITE,
            ("fringe" to "longest") to Constants.FRINGE_LONGEST, ("fringe" to "reach") to Constants.FRINGE_REACH,
            ("fringe" to "little") to Constants.FRINGE_LITTLE, ("blur" to "floor") to Constants.BLUR_FLOOR,
            ("blur" to "pixels") to Constants.BLUR_PIXELS, ("geometry" to "pad") to Constants.PAD,
        )
        for ((key, value) in pairs) assertEquals("$key", number(key.first, key.second), value.toDouble(), 1e-7)
        val limits = case.getJSONObject("geometry").getJSONObject("limits")
        assertEquals(limits.keys().asSequence().toSet(), GEOMETRIES.keys)
        for ((name, limit) in GEOMETRIES) assertEquals(name, limits.optDouble(name, Double.POSITIVE_INFINITY), limit, 0.0)
    }

    private fun assertDrawnBeforeRead(plan: RenderPlan.Plan, given: Set<String>) {
        val drawn = given.toMutableSet()
        for (pass in plan.passes) {
            for (texture in pass.textures.values) assertTrue("${pass.shader} reads $texture", texture in drawn)
            assertTrue(pass.targets.all { name -> plan.targets.any { it.name == name } })
            assertTrue("${pass.shader} reads what it draws", pass.textures.values.none { it in pass.targets })
            drawn += pass.targets
        }
    }

    private fun json(plan: RenderPlan.Plan): JSONObject {
        val targets = JSONArray()
        for (one in plan.targets) {
            targets.put(JSONObject().put("name", one.name).put("height", one.height).put("width", one.width).put("half", one.halfFloats))
        }
        val passes = JSONArray()
        for (pass in plan.passes) {
            val values = JSONObject()
            for ((name, value) in pass.values) {
                when (value) {
                    is IntArray -> values.put(name, JSONArray(value.toList()))
                    is FloatArray -> values.put(name, JSONArray(value.map { it.toDouble() }))
                    is Float -> values.put(name, value.toDouble())
                    else -> values.put(name, value)
                }
            }
            val box = pass.box?.let { JSONArray(listOf(it.left, it.top, it.width, it.height)) }
            passes.put(
                JSONObject().put("shader", pass.shader).put("targets", JSONArray(pass.targets))
                    .put("textures", JSONObject(pass.textures)).put("values", values).put("box", box ?: JSONObject.NULL),
            )
        }
        return JSONObject().put("targets", targets).put("passes", passes)
    }

    private fun ints(case: JSONObject, key: String): List<Int> = case.getJSONArray(key).let { List(it.length()) { i -> it.getInt(i) } }

    private companion object {
        const val SLOW = 0.25f // tests/android/plan.py knows it from the plan
    }
}
