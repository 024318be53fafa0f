package portraitnet.core

/**
 * Frame in, composed picture out, with one model, on the CPU alone. Not for several threads at once. Buffers last while
 * sizes do.
 */
class LiveProcessor(
    private val contract: ModelContract, private val engine: Engine, private val workers: Workers = Workers(1),
) {
    /** What the person is put before. */
    @Volatile var background: Background = Background.Blur()

    /** Hold the outline still where it only trembles. */
    @Volatile var smooth = true

    /** Draw the outline to the picture's own edges. */
    @Volatile var refine = false

    val times = StageTimes()

    private val smoother = AlphaSmoother(contract.height * contract.width)
    private val input = ByteArray(contract.height * contract.width * 3)
    private val alpha = FloatArray(contract.height * contract.width)
    private var view: View? = null
    private var before = 0L

    /** The picture that [process] made: opaque ARGB [pixels], [height] x [width], good until its next call. */
    class Composed(val height: Int, val width: Int, val pixels: IntArray)

    /** The person of [frame] before the background; [nanoseconds] is when it was captured. Throws EngineException. */
    fun process(frame: Frame, crop: Crop, orientation: Orientation, nanoseconds: Long): Composed {
        val view = view?.takeIf { it.crop == crop && it.orientation == orientation }
            ?: View(crop, orientation).also { view = it; smoother.reset() }
        timed(times.reading) {
            view.reader.read(frame, view.image)
            view.input.fill(view.image, input)
        }
        timed(times.inference) { engine.run(input, alpha) }
        timed(times.compositing) {
            if (smooth) smoother.smooth(alpha, (nanoseconds - before) / 1e9)
            before = nanoseconds
            view.map.crop(alpha)
            if (refine) view.refiner.refine(view.image, view.map.content, view.mask) else view.map.grow(view.mask)
            val scene = background
            // Where the old background is seen around the person, out of focus, its colours are no fringe.
            if (scene is Background.Colour || scene is Background.Picture) view.colours.correct(view.image, view.mask, view.image)
            view.compositor.compose(view.image, view.mask, scene, view.image)
        }
        times.rate.tick(System.nanoTime())
        return view.composed
    }

    /** All that depends on how the camera's picture lies. */
    private inner class View(val crop: Crop, val orientation: Orientation) {
        val reader = UprightReader(crop, orientation, workers)
        private val height = reader.height
        private val width = reader.width
        val input = ModelInput(height, width, contract.height, contract.width, contract.geometry, workers)
        val image = IntArray(height * width)
        val mask = ByteArray(height * width)
        val map = AlphaMap(input.letterbox, height, width, workers)
        val refiner by lazy { GuidedRefiner(height, width, input.letterbox.height, input.letterbox.width, workers) }
        val colours by lazy { OwnColours(height, width, workers) }
        val compositor = Compositor(height, width, workers)
        val composed = Composed(height, width, image)
    }
}
