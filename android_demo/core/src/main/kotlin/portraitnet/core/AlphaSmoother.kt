package portraitnet.core

import kotlin.math.abs
import kotlin.math.pow

/**
 * Holds still what only trembles, and lets real motion through at once; the same rule as runtime/compositing/smoothing.py.
 * For the alphas of one stream, [size] values each, at the model's size.
 */
class AlphaSmoother(private val size: Int) {
    private val state = FloatArray(size)
    private var seen = false

    /** Forget what was seen: the next alpha is taken as it is. */
    fun reset() {
        seen = false
    }

    /** Smooth [alpha] (0..1) in place; [elapsed] is the seconds since the last one. */
    fun smooth(alpha: FloatArray, elapsed: Double = FRAME) {
        require(alpha.size == size) { "expected $size values, got ${alpha.size}" }
        val slow = pace(elapsed)
        if (!seen || slow == 0f) {
            alpha.copyInto(state)
            seen = true
            return
        }
        for (i in state.indices) {
            val change = alpha[i] - state[i]
            var motion = ((abs(change) - Constants.TREMBLE) / (Constants.MOTION - Constants.TREMBLE)).coerceIn(0f, 1f)
            motion *= motion * (3 - 2 * motion)
            state[i] += (slow + (1 - slow) * motion) * change
            alpha[i] = state[i]
        }
    }

    companion object {
        private const val FRAME = 1.0 / Constants.FRAMES_PER_SECOND

        /** The share of a small change that arrives in [elapsed] seconds; 0 where the frame before says nothing about this one. */
        fun pace(elapsed: Double): Float =
            if (elapsed <= 0 || elapsed > Constants.PAUSE) 0f else (1 - (1 - Constants.FOLLOW).pow(elapsed / FRAME)).toFloat()
    }
}
