// Temporal smoothing as in runtime/compositing/smoothing.py: small changes of alpha follow slowly, jumps pass at once.

const FOLLOW = 0.1;
const TREMBLE = 0.05;
const MOTION = 0.4;
const FRAME = 1 / 30;
const PAUSE = 0.5;

export class AlphaSmoother {
  #state = null;

  /** Forget what was seen. */
  reset() {
    this.#state = null;
  }

  /** Float32Array of alphas 0..1 -> the same, smoothed; `elapsed` is the seconds since the last call. */
  apply(alpha, elapsed = FRAME) {
    const state = this.#state;
    if (!state || state.length !== alpha.length || !(elapsed > 0 && elapsed <= PAUSE)) {
      this.#state = Float32Array.from(alpha);
      return Float32Array.from(alpha);
    }
    const slow = 1 - (1 - FOLLOW) ** (elapsed / FRAME);
    for (let i = 0; i < state.length; i++) {
      const change = alpha[i] - state[i];
      const motion = Math.min(Math.max((Math.abs(change) - TREMBLE) / (MOTION - TREMBLE), 0), 1);
      state[i] += (slow + (1 - slow) * motion * motion * (3 - 2 * motion)) * change;
    }
    return Float32Array.from(state);
  }
}
