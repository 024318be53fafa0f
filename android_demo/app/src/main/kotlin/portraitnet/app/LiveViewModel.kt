package portraitnet.app

import android.app.Application
import android.net.Uri
import androidx.lifecycle.AndroidViewModel
import portraitnet.core.Background

/** What outlives a turn of the screen: the session with its model, the background, and the last words to the user. */
class LiveViewModel(app: Application) : AndroidViewModel(app) {
    var status = Status()
        private set
    var message: Event? = null
        private set
    var saved: Event.Saved? = null
        private set
    var isRecording = false
        private set
    var isComparing = false
        private set

    /** Hears of every change, on the main thread; the screen that is there. */
    var onChange: (() -> Unit)? = null

    /** Binds the camera anew; of the screen that is there. */
    var onOtherCamera: (() -> Unit)? = null

    private var backgrounds: List<Background> = BACKGROUNDS
    private var background = 0
    private val resolver get() = getApplication<Application>().contentResolver

    val session = Session(app, ::take, ::take) { onOtherCamera?.invoke() }

    /** The camera's, which lives as long; bound anew by each screen. */
    val feed = CameraFeed(app, { reason -> take(Event.NoCamera(reason)) }, session)

    val look get() = session.look
    val currentBackground get() = backgrounds[background]

    fun nextBackground() = select((background + 1) % backgrounds.size)

    fun choosePicture(uri: Uri) = session.choosePicture({ pictureOf(resolver, uri) }) { picture ->
        backgrounds = BACKGROUNDS + picture
        select(backgrounds.lastIndex)
    }

    fun toggleEdges() {
        session.look = session.look.copy(refine = !session.look.refine)
        onChange?.invoke()
    }

    /** The scene as it is, or the person before the background. */
    fun toggleCompare() {
        isComparing = !isComparing
        apply()
    }

    fun addModel(uris: List<Uri>) = session.add(uris.map { sourceOf(resolver, it) })

    fun savePicture() = session.savePicture { picture -> told(savePicture(resolver, picture)) }

    fun toggleRecording() = session.toggleRecording { height, width -> recordVideo(resolver, height, width, ::told) }

    override fun onCleared() {
        onChange = null
        onOtherCamera = null
        session.close()
    }

    private fun told(item: GalleryItem) = session.event(Event.Saved(item.name, item.uri, item.kind.type))

    private fun select(index: Int) {
        background = index
        isComparing = false
        apply()
    }

    private fun apply() {
        session.look = session.look.copy(background = if (isComparing) Background.None else currentBackground)
        onChange?.invoke()
    }

    private fun take(fresh: Status) {
        status = fresh
        onChange?.invoke()
    }

    private fun take(event: Event) {
        when (event) {
            is Event.Recording -> isRecording = event.on
            is Event.Saved -> {
                saved = event
                message = event
            }
            else -> message = event
        }
        onChange?.invoke()
    }

    private companion object {
        val BACKGROUNDS = listOf(
            Background.Blur(), Background.Blur(5.0), Background.Colour(32, 128, 96), Background.Colour(255, 255, 255),
        )
    }
}
