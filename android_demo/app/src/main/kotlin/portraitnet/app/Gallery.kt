package portraitnet.app

import android.content.ContentResolver
import android.content.ContentValues
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import java.io.IOException
import java.io.OutputStream
import java.time.LocalDateTime
import java.time.format.DateTimeFormatter

/** A place of its own among the phone's pictures, videos or downloads, seen by others when it is finished. Throws IOException. */
class GalleryItem(private val resolver: ContentResolver, val kind: Kind) {
    enum class Kind(val table: Uri, val folder: String, val type: String, val ending: String) {
        PICTURE(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, "Pictures/portraitnet", "image/jpeg", "jpg"),
        VIDEO(MediaStore.Video.Media.EXTERNAL_CONTENT_URI, "Movies/portraitnet", "video/mp4", "mp4"),
        RESULTS(MediaStore.Files.getContentUri("external"), "Download/portraitnet", "application/json", "json"),
    }

    val name = "portraitnet-${LocalDateTime.now().format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss"))}.${kind.ending}"
    val uri: Uri

    init {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) {
            throw IOException("saving needs Android 10: before it, an app had to ask for all of the storage")
        }
        val facts = ContentValues().apply {
            put(MediaStore.MediaColumns.DISPLAY_NAME, name)
            put(MediaStore.MediaColumns.MIME_TYPE, kind.type)
            put(MediaStore.MediaColumns.RELATIVE_PATH, kind.folder)
            put(MediaStore.MediaColumns.IS_PENDING, 1)
        }
        uri = resolver.insert(kind.table, facts) ?: throw IOException("the gallery takes nothing")
    }

    /** Let others see it; or, when it did not become whole, take it away. */
    fun finish(isWhole: Boolean) {
        if (isWhole) resolver.update(uri, ContentValues().apply { put(MediaStore.MediaColumns.IS_PENDING, 0) }, null, null)
        else resolver.delete(uri, null, null)
    }
}

/** Save [picture] among the phone's pictures. Throws IOException, and leaves nothing then. */
fun savePicture(resolver: ContentResolver, picture: Bitmap): GalleryItem =
    save(resolver, GalleryItem.Kind.PICTURE) { stream -> picture.compress(Bitmap.CompressFormat.JPEG, 95, stream) }

/** Save a benchmark's [json] among the phone's downloads, where a computer finds it. Throws IOException. */
fun saveResults(resolver: ContentResolver, json: String): GalleryItem =
    save(resolver, GalleryItem.Kind.RESULTS) { stream ->
        stream.write(json.toByteArray())
        true
    }

private fun save(resolver: ContentResolver, kind: GalleryItem.Kind, write: (OutputStream) -> Boolean): GalleryItem {
    val item = GalleryItem(resolver, kind)
    var isWhole = false
    try {
        isWhole = resolver.openOutputStream(item.uri)?.use(write) ?: false
    } finally {
        item.finish(isWhole)
    }
    if (!isWhole) throw IOException("${item.name} could not be written")
    return item
}

/** A recorder for a frame of [height] x [width], into the phone's videos. [saved] hears of the finished one. Throws IOException. */
fun recordVideo(resolver: ContentResolver, height: Int, width: Int, saved: (GalleryItem) -> Unit): VideoRecorder {
    val item = GalleryItem(resolver, GalleryItem.Kind.VIDEO)
    val file = resolver.openFileDescriptor(item.uri, "rw") ?: run {
        item.finish(false)
        throw IOException("the video cannot be written")
    }
    return VideoRecorder(height, width, item.name, file.fileDescriptor) { isWhole ->
        file.close()
        item.finish(isWhole)
        if (isWhole) saved(item)
    }
}
