package portraitnet.core

/** Frame in, composed picture out, with one model. Not for several threads at once. Buffers last while sizes do. */
class LiveProcessor(private val contract: ModelContract, private val io: ModelIo, private val infer: () -> Unit) {
    /** What the person is put before. */
    @Volatile var background: Background = Background.Blur()

    /** Hold the outline still where it only trembles. */
    @Volatile var smooth = true

    /** Draw the outline to the picture's own edges. */
    @Volatile var refine = false

    /** Milliseconds of each stage, and pictures per second. */
    val reading = Durations()
    val inference = Durations()
    val compositing = Durations()
    val rate = FrameRate()

    private val smoother = AlphaSmoother(contract.height * contract.width)
    private val input = ByteArray(contract.height * contract.width * 3)
    private val alpha = FloatArray(contract.height * contract.width)
    private var view: View? = null
    private var before = 0L

    /** The picture that [process] made: RGB bytes, [height] x [width] x 3, good until its next call. */
    class Composed(val height: Int, val width: Int, val rgb: ByteArray) {
        /** Opaque ARGB, as bitmaps take it, into [pixels]. */
        fun toArgb(pixels: IntArray) {
            for (i in 0 until height * width) {
                val red = rgb[3 * i].toInt() and 255
                val green = rgb[3 * i + 1].toInt() and 255
                val blue = rgb[3 * i + 2].toInt() and 255
                pixels[i] = (255 shl 24) or (red shl 16) or (green shl 8) or blue
            }
        }
    }

    /** The person of [frame] before the background; [nanoseconds] is when it was captured. */
    fun process(frame: Frame, crop: Crop, orientation: Orientation, nanoseconds: Long): Composed {
        val view = view?.takeIf { it.crop == crop && it.orientation == orientation }
            ?: View(crop, orientation).also { view = it; smoother.reset() }
        timed(reading) {
            view.forModel.read(frame, input)
            view.forEyes.read(frame, view.image)
        }
        timed(inference) {
            io.fill(input)
            infer()
            io.alpha(alpha)
        }
        timed(compositing) {
            if (smooth) smoother.smooth(alpha, (nanoseconds - before) / 1e9)
            before = nanoseconds
            view.map.crop(alpha)
            if (refine) view.refiner.refine(view.image, view.map.content, view.mask) else view.map.grow(view.mask)
            view.compositor.compose(view.image, view.mask, background, view.image)
        }
        rate.tick(System.nanoTime())
        return view.composed
    }

    private inline fun timed(stage: Durations, work: () -> Unit) {
        val start = System.nanoTime()
        work()
        stage.add(System.nanoTime() - start)
    }

    /** All that depends on how the camera's picture lies. */
    private inner class View(val crop: Crop, val orientation: Orientation) {
        private val turned = orientation.degrees % 180 != 0
        private val height = if (turned) crop.width else crop.height
        private val width = if (turned) crop.height else crop.width
        val forModel = FrameReader(crop, orientation, contract.height, contract.width, contract.geometry)
        val forEyes = FrameReader(crop, orientation, height, width)
        val image = ByteArray(height * width * 3)
        val mask = ByteArray(height * width)
        val map = AlphaMap(forModel.letterbox, height, width)
        val refiner by lazy { GuidedRefiner(height, width, forModel.letterbox.height, forModel.letterbox.width) }
        val compositor = Compositor(height, width)
        val composed = Composed(height, width, image)
    }
}
