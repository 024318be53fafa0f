package portraitnet.app

import android.content.res.AssetManager
import android.content.ContentResolver
import android.net.Uri
import java.io.IOException
import portraitnet.core.BuiltInModels
import portraitnet.core.Source

private const val FOLDER = "models"

/** The models in the app's assets, where `portraitnet export --android` puts them: a folder for each. */
class AssetModels(private val assets: AssetManager) : BuiltInModels {
    override fun names(): List<String> = assets.list(FOLDER).orEmpty().sorted()

    override fun source(model: String, file: String) = Source { assets.open("$FOLDER/$model/$file") }
}

/** A file that the user chose. */
fun sourceOf(resolver: ContentResolver, uri: Uri) = Source {
    resolver.openInputStream(uri) ?: throw IOException("$uri cannot be read")
}
