import Foundation

/// Holds still what only trembles, and lets real motion through at once: the rule of runtime/compositing/smoothing.py.
struct AlphaSmoother {
    private var state: [Float] = []

    /// Forget what was seen: the next alpha is taken as it is.
    mutating func reset() {
        state = []
    }

    /// Smooth `alpha` (0...1) in place; `elapsed` is the seconds since the last one.
    mutating func smooth(_ alpha: inout [Float], elapsed: Double) {
        guard state.count == alpha.count, elapsed > 0, elapsed <= Constants.pause else {
            state = alpha
            return
        }
        let slow = Float(1 - pow(1 - Double(Constants.follow), elapsed * Constants.framesPerSecond))
        for index in alpha.indices {
            let change = alpha[index] - state[index]
            var motion = (abs(change) - Constants.tremble) / (Constants.motion - Constants.tremble)
            motion = min(max(motion, 0), 1)
            motion *= motion * (3 - 2 * motion)
            state[index] += (slow + (1 - slow) * motion) * change
            alpha[index] = state[index]
        }
    }
}
