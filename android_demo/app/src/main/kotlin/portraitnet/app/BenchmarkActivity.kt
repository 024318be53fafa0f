package portraitnet.app

import android.app.Application
import android.content.Intent
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.CheckBox
import android.widget.ProgressBar
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.enableEdgeToEdge
import androidx.activity.viewModels
import androidx.lifecycle.AndroidViewModel
import java.io.File
import java.io.IOException
import portraitnet.core.EngineException
import portraitnet.core.ModelLibrary

/** A run, and its results, through turns of the screen. */
class BenchmarkViewModel(app: Application) : AndroidViewModel(app) {
    private val main = Handler(Looper.getMainLooper())
    private var run: BenchmarkRun? = null
    var progress = Progress(0.0, "")
        private set
    var json: String? = null
        private set
    var item: GalleryItem? = null
        private set
    var problem: String? = null
        private set
    val isRunning get() = run != null
    var onChange: (() -> Unit)? = null

    /** On a thread of its own, where nothing else happens: the camera stands still while this screen is shown. */
    fun start(sustained: Boolean) {
        if (isRunning) return
        val app = getApplication<Application>()
        val engines = LiteRtEngines()
        val models = { ModelLibrary(File(app.filesDir, "models"), AssetModels(app.assets)).list() }
        val fresh = BenchmarkRun(engines, models, DeviceState(app), sustained) { now -> main.post { change { progress = now } } }
        run = fresh
        change { problem = null }
        Thread({
            var found: String? = null
            var saved: GalleryItem? = null
            val reason = try {
                found = fresh.run()
                saved = saveResults(app.contentResolver, found)
                null
            } catch (error: Stopped) {
                null
            } catch (error: EngineException) {
                error.message
            } catch (error: IOException) {
                error.message
            } finally {
                engines.close()
            }
            main.post {
                change {
                    run = null
                    json = found ?: json
                    item = saved ?: item
                    problem = reason
                }
            }
        }, "portraitnet-benchmark").start()
    }

    fun stop() = run?.stop()

    override fun onCleared() {
        onChange = null
        stop()
    }

    private fun change(act: () -> Unit) {
        act()
        onChange?.invoke()
    }
}

/** The benchmark's screen: start, stop, what was found, and the file of it to share. */
class BenchmarkActivity : ComponentActivity() {
    private val model by viewModels<BenchmarkViewModel>()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContentView(R.layout.benchmark)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        clearOfBars(findViewById(R.id.results_area), true)
        clearOfBars(findViewById(R.id.results_buttons), false)
        findViewById<Button>(R.id.run).setOnClickListener {
            if (model.isRunning) model.stop() else model.start(findViewById<CheckBox>(R.id.sustained).isChecked)
            show()
        }
        findViewById<Button>(R.id.share_results).setOnClickListener { share() }
    }

    override fun onStart() {
        super.onStart()
        model.onChange = ::show
        show()
    }

    override fun onStop() {
        model.onChange = null
        super.onStop()
    }

    private fun show() {
        findViewById<Button>(R.id.run).text = getString(if (model.isRunning) R.string.stop else R.string.run)
        findViewById<CheckBox>(R.id.sustained).isEnabled = !model.isRunning
        val bar = findViewById<ProgressBar>(R.id.progress)
        bar.visibility = if (model.isRunning) View.VISIBLE else View.INVISIBLE
        bar.progress = (100 * model.progress.share).toInt()
        val problem = model.problem
        findViewById<TextView>(R.id.results).text = when {
            model.isRunning -> getString(R.string.timing, (100 * model.progress.share).toInt(), model.progress.what)
            problem != null -> getString(R.string.benchmark_failed, problem)
            else -> model.json ?: getString(R.string.benchmark_words)
        }
        findViewById<Button>(R.id.share_results).isEnabled = model.json != null && !model.isRunning
    }

    /** The file where it could be stored, else the text. */
    private fun share() {
        val send = Intent(Intent.ACTION_SEND).setType("application/json")
        val item = model.item
        if (item != null) send.putExtra(Intent.EXTRA_STREAM, item.uri).addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        else send.putExtra(Intent.EXTRA_TEXT, model.json)
        startActivity(Intent.createChooser(send, getString(R.string.share_results)))
    }
}
