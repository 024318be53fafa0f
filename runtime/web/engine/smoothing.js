// Temporal smoothing as in runtime/compositing/smoothing.py: small changes of alpha follow slowly, jumps pass at once.

import constants from '../../constants.json';

const {follow, tremble, motion, frames_per_second: rate, pause} = constants.smoothing;

export class AlphaSmoother {
  #state = null;

  /** Forget what was seen. */
  reset() {
    this.#state = null;
  }

  /** Float32Array of alphas 0..1 -> the same, smoothed; `elapsed` is the seconds since the last call. */
  apply(alpha, elapsed = 1 / rate) {
    const state = this.#state;
    if (!state || state.length !== alpha.length || !(elapsed > 0 && elapsed <= pause)) {
      this.#state = Float32Array.from(alpha);
      return Float32Array.from(alpha);
    }
    const slow = 1 - (1 - follow) ** (elapsed * rate);
    for (let i = 0; i < state.length; i++) {
      const change = alpha[i] - state[i];
      const share = Math.min(Math.max((Math.abs(change) - tremble) / (motion - tremble), 0), 1);
      state[i] += (slow + (1 - slow) * share * share * (3 - 2 * share)) * change;
    }
    return Float32Array.from(state);
  }
}
