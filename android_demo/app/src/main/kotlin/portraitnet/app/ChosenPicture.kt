package portraitnet.app

import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.net.Uri
import java.io.IOException
import portraitnet.core.Background

private const val LONGEST = 1600 // pixels of a picture's longer side, about: more is never seen

/** The picture at [uri] as a background. Throws IOException when it is none; a huge one is read in part only. */
fun pictureOf(resolver: ContentResolver, uri: Uri): Background.Picture {
    val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    openChosen(resolver, uri).use { BitmapFactory.decodeStream(it, null, bounds) }
    if (bounds.outWidth < 1 || bounds.outHeight < 1) throw IOException("it is no picture")
    val options = BitmapFactory.Options().apply {
        inSampleSize = Integer.highestOneBit(maxOf(1, maxOf(bounds.outWidth, bounds.outHeight) / LONGEST))
        inPreferredConfig = Bitmap.Config.ARGB_8888
    }
    val bitmap = openChosen(resolver, uri).use { BitmapFactory.decodeStream(it, null, options) } ?: throw IOException("it is no picture")
    val pixels = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    for (i in pixels.indices) pixels[i] = pixels[i] or (255 shl 24) // what was transparent is black
    return Background.Picture(bitmap.height, bitmap.width, pixels)
}
