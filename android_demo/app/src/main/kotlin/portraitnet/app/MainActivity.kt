package portraitnet.app

import android.Manifest
import android.app.AlertDialog
import android.content.Intent
import android.content.pm.PackageManager
import android.hardware.display.DisplayManager
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.Settings
import android.view.GestureDetector
import android.view.MotionEvent
import android.view.ScaleGestureDetector
import android.view.Surface
import android.view.SurfaceHolder
import android.view.SurfaceView
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.contract.ActivityResultContracts
import androidx.activity.viewModels
import portraitnet.core.Background
import portraitnet.core.Processor
import portraitnet.core.onScreen

/** The main screen: the camera's picture with another background, and what it costs. All work is the session's. */
class MainActivity : ComponentActivity() {
    private val model by viewModels<LiveViewModel>()
    private lateinit var screen: SurfaceView
    private lateinit var status: TextView
    private lateinit var words: TextView
    private val displays by lazy { getSystemService(DisplayManager::class.java) }

    private val permission = registerForActivityResult(ActivityResultContracts.RequestPermission()) { startCamera() }
    private val files = registerForActivityResult(ActivityResultContracts.OpenMultipleDocuments()) { uris: List<Uri> ->
        if (uris.size < 2) words.text = getString(R.string.pick_both) else model.addModel(uris)
    }
    private val pictures = registerForActivityResult(ActivityResultContracts.OpenMultipleDocuments()) { uris: List<Uri> ->
        uris.firstOrNull()?.let { model.choosePicture(it) }
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContentView(R.layout.main)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        screen = findViewById(R.id.screen)
        status = findViewById(R.id.status)
        words = findViewById(R.id.words)
        for (id in listOf(R.id.top, R.id.bottom)) clearOfBars(findViewById(id), id == R.id.top)
        screen.holder.addCallback(surfaces)
        screen.setOnTouchListener(touches())
        onClick(R.id.background) { model.nextBackground() }
        onClick(R.id.photo) { pictures.launch(arrayOf("image/*")) }
        onClick(R.id.flip) { if (isAllowed()) model.feed.flip(this, rotation()) }
        onClick(R.id.processor) { model.session.switchProcessor() }
        onClick(R.id.edges) { model.toggleEdges() }
        onClick(R.id.compare) { model.toggleCompare() }
        onClick(R.id.model) { chooseModel() }
        onClick(R.id.save) { model.savePicture() }
        onClick(R.id.record) { model.toggleRecording() }
        onClick(R.id.share) { share() }
        onClick(R.id.benchmark) { startActivity(Intent(this, BenchmarkActivity::class.java)) }
        onClick(R.id.allow) { askForCamera() }
        if (!isAllowed()) permission.launch(Manifest.permission.CAMERA)
    }

    override fun onStart() {
        super.onStart()
        model.onChange = ::show
        model.onOtherCamera = ::startCamera
        displays.registerDisplayListener(turns, null)
        show()
    }

    override fun onResume() {
        super.onResume()
        startCamera() // the permission may have been given in the settings meanwhile
    }

    override fun onStop() {
        displays.unregisterDisplayListener(turns)
        model.onChange = null
        model.onOtherCamera = null
        super.onStop()
    }

    private fun isAllowed() = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    private fun startCamera() {
        val allowed = isAllowed()
        findViewById<View>(R.id.allow).visibility = if (allowed) View.GONE else View.VISIBLE
        if (allowed) model.feed.start(this, rotation()) else words.text = getString(R.string.needs_camera)
    }

    /** Ask again where the system still asks; else in its settings. */
    private fun askForCamera() {
        if (shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)) return permission.launch(Manifest.permission.CAMERA)
        startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", packageName, null)))
    }

    private fun chooseModel() {
        val names = model.status.models + getString(R.string.add_model)
        AlertDialog.Builder(this).setTitle(R.string.model).setItems(names.toTypedArray()) { _, index ->
            if (index < model.status.models.size) model.session.choose(index) else files.launch(arrayOf("*/*"))
        }.show()
    }

    private fun share() {
        val saved = model.saved ?: return
        val send = Intent(Intent.ACTION_SEND).setType(saved.type).putExtra(Intent.EXTRA_STREAM, saved.uri)
            .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    private fun show() {
        val now = model.status
        status.text = getString(
            R.string.statistics, now.perSecond, now.readMs, now.modelMs, now.modelP90, now.composeMs, now.model,
            if (now.processor == Processor.CPU) getString(R.string.on_cpu, now.residency) else getString(R.string.on_gpu), now.pixels,
        )
        model.message?.let { words.text = textOf(it) }
        button(R.id.processor, getString(if (now.processor == Processor.CPU) R.string.cpu else R.string.gpu))
        button(R.id.edges, getString(R.string.edges), getString(if (model.look.refine) R.string.on else R.string.off))
        button(R.id.compare, getString(R.string.compare), getString(if (model.isComparing) R.string.before else R.string.after))
        button(R.id.background, getString(R.string.background), nameOf(model.currentBackground))
        button(R.id.record, getString(if (model.isRecording) R.string.stop_video else R.string.record))
        findViewById<Button>(R.id.share).isEnabled = model.saved != null
    }

    private fun textOf(event: Event): String = when (event) {
        is Event.ModelRefused -> getString(R.string.model_refused, event.reason)
        is Event.FellBack -> getString(R.string.fell_back, event.processor, event.reason)
        is Event.PixelsOnCpu -> getString(R.string.pixels_on_cpu, event.reason)
        is Event.LeftOut -> getString(R.string.left_out, event.what)
        is Event.PictureRefused -> getString(R.string.picture_refused, event.reason)
        is Event.Saved -> getString(R.string.saved, event.what)
        is Event.NotSaved -> getString(R.string.not_saved, event.reason)
        is Event.NoCamera -> getString(R.string.no_camera, event.reason)
        is Event.Recording -> ""
    }

    private fun nameOf(background: Background): String = when (background) {
        is Background.Blur -> getString(if (background.strength < 3) R.string.blur else R.string.strong_blur)
        is Background.Colour -> getString(if (background.red == 255) R.string.white else R.string.green)
        is Background.Picture -> getString(R.string.own_picture)
        is Background.None -> getString(R.string.before)
    }

    /** What a button says, and the state that a screen reader adds. */
    private fun button(id: Int, text: String, state: String? = null) {
        val view = findViewById<Button>(id)
        view.text = text
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) view.stateDescription = state
        else view.contentDescription = if (state == null) text else "$text, $state"
    }

    @Suppress("DEPRECATION") // its successor is of API 30
    private fun rotation(): Int = windowManager.defaultDisplay.rotation

    private val surfaces = object : SurfaceHolder.Callback {
        override fun surfaceCreated(holder: SurfaceHolder) = Unit

        override fun surfaceChanged(holder: SurfaceHolder, format: Int, width: Int, height: Int) =
            model.session.attach(holder.surface)

        override fun surfaceDestroyed(holder: SurfaceHolder) = model.session.attach(null)
    }

    /** A turn by 180 degrees tells nothing but the display. */
    private val turns = object : DisplayManager.DisplayListener {
        override fun onDisplayAdded(id: Int) = Unit
        override fun onDisplayRemoved(id: Int) = Unit
        override fun onDisplayChanged(id: Int) = model.feed.turned(rotation())
    }

    private fun touches(): View.OnTouchListener {
        val pinch = ScaleGestureDetector(this, object : ScaleGestureDetector.SimpleOnScaleGestureListener() {
            override fun onScale(detector: ScaleGestureDetector): Boolean {
                model.feed.zoom(detector.scaleFactor)
                return true
            }
        })
        val tap = GestureDetector(this, object : GestureDetector.SimpleOnGestureListener() {
            override fun onSingleTapUp(event: MotionEvent): Boolean {
                val (height, width) = model.status.size ?: return false
                val place = onScreen(height, width, screen.height, screen.width).place(event.x, event.y)
                if (place != null) model.feed.focus(place.first, place.second)
                return screen.performClick()
            }
        })
        return View.OnTouchListener { _, event ->
            pinch.onTouchEvent(event)
            tap.onTouchEvent(event)
            true
        }
    }

    private fun onClick(id: Int, act: () -> Unit) = findViewById<Button>(id).setOnClickListener { act() }
}

/** Keep [view]'s words clear of the system's bars and of the camera's hole, on its upper or its lower side. */
fun clearOfBars(view: View, above: Boolean) {
    val (left, top, right, bottom) = listOf(view.paddingLeft, view.paddingTop, view.paddingRight, view.paddingBottom)
    view.setOnApplyWindowInsetsListener { _, insets ->
        @Suppress("DEPRECATION") // their successors are of API 30
        view.setPadding(
            left + insets.systemWindowInsetLeft, top + if (above) insets.systemWindowInsetTop else 0,
            right + insets.systemWindowInsetRight, bottom + if (above) 0 else insets.systemWindowInsetBottom,
        )
        insets
    }
}
