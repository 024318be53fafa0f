package portraitnet.app

import android.Manifest
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.net.Uri
import android.os.Bundle
import android.view.WindowManager
import android.widget.Button
import android.widget.ImageView
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import java.io.IOException
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import portraitnet.core.Background
import portraitnet.core.ContractException
import portraitnet.core.Crop
import portraitnet.core.Frame
import portraitnet.core.LiveProcessor
import portraitnet.core.Orientation

/** The only screen: the camera's picture with another background, and what it costs. */
class MainActivity : ComponentActivity() {
    private val worker = Executors.newSingleThreadExecutor()
    private val store by lazy { ModelStore(this) }
    private val frames = Executor { task -> if (!worker.isShutdown) worker.execute(task) } // the camera may stop after us
    private val feed by lazy { CameraFeed(this, this, frames, { say(getString(R.string.no_camera, it)) }, ::onFrame) }
    private lateinit var picture: ImageView
    private lateinit var status: TextView

    // Used by the worker alone.
    private var model: StoredModel? = null
    private var runner: ModelRunner? = null
    private var live: LiveProcessor? = null
    private val bitmaps = arrayOfNulls<Bitmap>(2) // one is shown while the other is drawn
    private var pixels = IntArray(0)
    private var shown = 0L

    private var backgrounds: List<Background> = BACKGROUNDS
    private var background = 0

    private var processor = Processor.CPU
    private var results: String? = null

    private val permission = registerForActivityResult(ActivityResultContracts.RequestPermission()) { allowed ->
        if (allowed) feed.start() else say(getString(R.string.needs_camera))
    }
    private val files = registerForActivityResult(ActivityResultContracts.OpenMultipleDocuments()) { uris: List<Uri> ->
        if (uris.size < 2) say(getString(R.string.pick_both)) else worker.execute { openModel { store.take(uris) } }
    }

    private val pictures = registerForActivityResult(ActivityResultContracts.OpenMultipleDocuments()) { uris: List<Uri> ->
        uris.firstOrNull()?.let { uri -> worker.execute { takePicture(uri) } }
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        picture = findViewById(R.id.picture)
        status = findViewById(R.id.status)
        onClick(R.id.background) { next() }
        onClick(R.id.photo) { pictures.launch(arrayOf("image/*")) }
        onClick(R.id.flip) { feed.flip() }
        onClick(R.id.processor) { changeProcessor() }
        onClick(R.id.edges) { worker.execute { live?.let { it.refine = !it.refine } } }
        onClick(R.id.model) { files.launch(arrayOf("*/*")) }
        onClick(R.id.benchmark) { worker.execute { benchmark() } }
        onClick(R.id.share) { share() }
        worker.execute { openModel { store.current() } }
        val granted = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
        if (granted) feed.start() else permission.launch(Manifest.permission.CAMERA)
    }

    override fun onDestroy() {
        worker.execute { runner?.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun openModel(find: () -> StoredModel) {
        try {
            val found = find()
            open(found, processor)
            model = found
        } catch (error: ContractException) {
            say(getString(R.string.model_refused, error.message))
        } catch (error: IOException) {
            say(getString(R.string.model_refused, error.message))
        }
    }

    private fun open(found: StoredModel, wanted: Processor) {
        val fresh = ModelRunner.openOrFallBack(found.bytes, found.contract, wanted, THREADS) { reason ->
            say(getString(R.string.gpu_refused, wanted.name, reason))
        }
        runner?.close()
        runner = fresh
        processor = fresh.processor
        live = LiveProcessor(found.contract, fresh.io, fresh::run).also { it.background = backgrounds[background] }
        runOnUiThread { findViewById<Button>(R.id.processor).text = fresh.processor.name }
    }

    private fun changeProcessor() {
        val wanted = Processor.entries[(processor.ordinal + 1) % Processor.entries.size]
        worker.execute { model?.let { open(it, wanted) } }
    }

    private fun next() = worker.execute {
        background = (background + 1) % backgrounds.size
        live?.background = backgrounds[background]
    }

    private fun takePicture(uri: Uri) {
        val chosen = try {
            pictureOf(contentResolver, uri)
        } catch (error: IOException) {
            say(getString(R.string.picture_refused, error.message))
            return
        }
        backgrounds = BACKGROUNDS + chosen
        background = backgrounds.lastIndex
        live?.background = chosen
    }

    private fun onFrame(frame: Frame, crop: Crop, orientation: Orientation, nanoseconds: Long) {
        val live = live ?: return
        val composed = live.process(frame, crop, orientation, nanoseconds)
        val index = (shown++ % 2).toInt()
        val bitmap = bitmaps[index]?.takeIf { it.width == composed.width && it.height == composed.height }
            ?: Bitmap.createBitmap(composed.width, composed.height, Bitmap.Config.ARGB_8888).also { bitmaps[index] = it }
        if (pixels.size != composed.width * composed.height) pixels = IntArray(composed.width * composed.height)
        composed.toArgb(pixels)
        bitmap.setPixels(pixels, 0, composed.width, 0, 0, composed.width, composed.height)
        val text = if (shown % 15 == 0L) statistics(live) else null
        runOnUiThread {
            picture.setImageBitmap(bitmap)
            if (text != null) status.text = text
        }
    }

    private fun statistics(live: LiveProcessor): String = getString(
        R.string.statistics,
        live.rate.perSecond(),
        live.reading.percentile(50.0),
        live.inference.percentile(50.0),
        live.inference.percentile(90.0),
        live.compositing.percentile(50.0),
        model?.contract?.name ?: "",
        residency(),
    )

    private fun residency(): String = when (processor) {
        Processor.CPU -> getString(R.string.taken, model?.artefact?.residency ?: "?")
        else -> getString(R.string.not_told, processor.name)
    }

    private fun benchmark() {
        val model = model ?: return
        runner?.close() // the figures are of nothing else
        runner = null
        live = null
        try {
            val json = BenchmarkRun(this, model).run { share -> say(getString(R.string.timing, (100 * share).toInt())) }
            results = json
            say(json)
            runOnUiThread { findViewById<Button>(R.id.share).isEnabled = true }
        } finally {
            open(model, processor)
        }
    }

    private fun share() {
        val send = Intent(Intent.ACTION_SEND).setType("application/json").putExtra(Intent.EXTRA_TEXT, results)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    private fun say(text: String) = runOnUiThread { status.text = text }

    private fun onClick(id: Int, act: () -> Unit) = findViewById<Button>(id).setOnClickListener { act() }

    private companion object {
        const val THREADS = 4
        val BACKGROUNDS = listOf(
            Background.Blur(), Background.Blur(5.0), Background.Colour(32, 128, 96), Background.Colour(255, 255, 255),
        )
    }
}
