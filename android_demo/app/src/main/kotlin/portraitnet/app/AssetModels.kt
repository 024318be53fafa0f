package portraitnet.app

import android.content.res.AssetManager
import android.content.ContentResolver
import android.net.Uri
import java.io.IOException
import java.io.InputStream
import portraitnet.core.BuiltInModels
import portraitnet.core.Source

private const val FOLDER = "models"

/** The models in the app's assets, where `portraitnet export --android` puts them: a folder for each. */
class AssetModels(private val assets: AssetManager) : BuiltInModels {
    override fun names(): List<String> = assets.list(FOLDER).orEmpty().sorted()

    override fun source(model: String, file: String) = Source { assets.open("$FOLDER/$model/$file") }
}

/** A file that the user chose. */
fun sourceOf(resolver: ContentResolver, uri: Uri) = Source { openChosen(resolver, uri) }

/** Opens a file that the user chose. Throws IOException. */
fun openChosen(resolver: ContentResolver, uri: Uri): InputStream = try {
    resolver.openInputStream(uri)
} catch (error: SecurityException) { // the permission ended with the app's last run
    throw IOException("it may not be read any more")
} ?: throw IOException("it cannot be read")
