package portraitnet.core

/** Numbers that Python, the browser page and this app share: runtime/constants.json, which a test compares. */
object Constants {
    const val BLACK = 0.1f // alpha that becomes nothing
    const val WHITE = 0.9f // and all
    const val REFINE_SMALL = 160 // longer side of the picture on which windows of the guided filter are fitted
    const val REFINE_LARGE = 640 // of the one to which they are applied
    const val REFINE_RADIUS = 3
    const val REFINE_SMOOTHNESS = 1e-4f
    const val REFINE_BLACK = 0.2f // levels of refined alpha
    const val REFINE_WHITE = 0.8f
    const val FRINGE_LONGEST = 160 // longer side of the picture on which outline colours are estimated
    const val FRINGE_REACH = 3
    const val FRINGE_LITTLE = 1e-3f
    const val BLUR_FLOOR = 1e-4f // weight of the person: keeps every sum above zero
    const val BLUR_PIXELS = 3 // sigma, in pixels, to which a picture is shrunk before it is blurred
    const val FOLLOW = 0.1
    const val TREMBLE = 0.05f
    const val MOTION = 0.4f
    const val FRAMES_PER_SECOND = 30
    const val PAUSE = 0.5
    const val PAD = 128
}
