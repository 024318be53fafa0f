package portraitnet.app

import android.graphics.Bitmap
import android.graphics.Color
import android.graphics.SurfaceTexture
import android.view.Surface
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.io.File
import java.nio.ByteBuffer
import kotlin.math.abs
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import portraitnet.core.Background
import portraitnet.core.Crop
import portraitnet.core.GuardedEngine
import portraitnet.core.ModelLibrary
import portraitnet.core.Orientation
import portraitnet.core.Plane
import portraitnet.core.Processor
import portraitnet.core.YuvFrame
import portraitnet.render.GlStage

/**
 * On a device or an emulator, with the golden vectors of tests/android/golden.py as assets of the test: LiteRT gives the alpha
 * that Python's gives, and a frame goes the whole way, on the GPU where there is one, and on the CPU.
 */
@RunWith(AndroidJUnit4::class)
class FirstFrameTest {
    private val app = InstrumentationRegistry.getInstrumentation().targetContext
    private val golden = InstrumentationRegistry.getInstrumentation().context.assets
    private val library = ModelLibrary(File(app.cacheDir, "test-models"), AssetModels(app.assets))
    private val case = JSONObject(golden.open("index.json").bufferedReader().readText()).getJSONArray("contracts").getJSONObject(0)

    private fun bytes(key: String) = golden.open(case.getString(key)).readBytes()

    @Test
    fun theShippedModelGivesPythonsAlpha() {
        val model = library.list().single { it.name == case.getString("name") }
        LiteRtEngines().use { engines ->
            engines.open(model, Processor.CPU, 2).use { engine ->
                val wanted = bytes("alpha")
                val alpha = FloatArray(wanted.size)
                engine.run(bytes("pixels"), alpha)
                val differences = wanted.indices.map { abs((wanted[it].toInt() and 255) - alpha[it] * 255) }
                assertTrue("off by up to ${differences.max()}", differences.max() <= 2)
            }
        }
    }

    @Test
    fun everyModelAnswersOnEveryProcessor() {
        LiteRtEngines().use { engines ->
            for (model in library.list()) for (processor in Processor.entries) {
                GuardedEngine(engines, model, processor, 2) { _, _ -> }.use { engine ->
                    assertTrue(engine.processor == processor || engine.processor == Processor.CPU)
                }
            }
        }
    }

    @Test
    fun aFrameGoesTheWholeWay() {
        val model = library.current()
        GlStage(app.assets).use { stage ->
            LiteRtEngines().use { engines ->
                for (makePath in listOf<(GuardedEngine) -> FramePath>({ GlPath(stage, model.contract, it) }, { CpuPath(model.contract, it) })) {
                    GuardedEngine(engines, model, Processor.CPU, 2) { _, _ -> }.use { engine ->
                        makePath(engine).use { path ->
                            val surface = Surface(SurfaceTexture(0).apply { setDefaultBufferSize(320, 240) })
                            if (path is GlPath) path.attach(surface)
                            val look = Look(Background.Colour(255, 0, 0))
                            repeat(3) { path.show(grey(), Crop(0, 0, 640, 480), Orientation(90, true), it * 33_000_000L, look) }
                            assertOnlyBackground(path.picture()!!)
                            path.attach(null)
                            surface.release()
                        }
                    }
                }
            }
        }
    }

    /** What a camera would draw on the texture's surface comes out upright, and the stage is used by one model after the other. */
    @Test
    fun aFrameOfATextureGoesTheWholeWay() {
        val model = library.current()
        GlStage(app.assets).use { stage ->
            if (!stage.renderer.readsExternal) return
            LiteRtEngines().use { engines ->
                repeat(2) {
                    GuardedEngine(engines, model, Processor.CPU, 2) { _, _ -> }.use { engine ->
                        GlPath(stage, model.contract, engine).use { path ->
                            stage.openCamera(480, 640, { it.run() }) { _, _ -> }.use { texture ->
                                texture.orientation = Orientation(90, true)
                                val canvas = texture.surface.lockCanvas(null)
                                canvas.drawColor(Color.GRAY)
                                texture.surface.unlockCanvasAndPost(canvas)
                                path.show(texture, stage.update(texture, 1), Look(Background.Colour(255, 0, 0)))
                                assertOnlyBackground(path.picture()!!)
                            }
                        }
                    }
                }
            }
        }
    }

    /** Nobody is in a grey picture: all is the background. */
    private fun assertOnlyBackground(picture: Bitmap) {
        assertEquals(480 to 640, picture.width to picture.height)
        assertTrue(Color.red(picture.getPixel(240, 20)) > 240)
    }

    private fun grey(): YuvFrame {
        fun plane(height: Int, width: Int): Plane {
            val bytes = ByteBuffer.allocateDirect(height * width)
            while (bytes.hasRemaining()) bytes.put(-128)
            return Plane(bytes, width, 1)
        }
        return YuvFrame(640, 480, plane(480, 640), plane(240, 320), plane(240, 320))
    }
}
