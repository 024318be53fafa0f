// Temporal smoothing as in runtime/compositing/smoothing.py: small changes of alpha follow slowly, jumps pass at once.

import constants from '../../constants.json';

const {follow, tremble, motion, frames_per_second: rate, pause} = constants.smoothing;

/** The share of a small change that arrives in `elapsed` seconds; 0 where the frame before says nothing about this one. */
export function pace(elapsed = 1 / rate) {
  return elapsed > 0 && elapsed <= pause ? 1 - (1 - follow) ** (elapsed * rate) : 0;
}

export class AlphaSmoother {
  #state = null;

  /** Forget what was seen. */
  reset() {
    this.#state = null;
  }

  /** Float32Array of alphas 0..1 -> the same, smoothed; `elapsed` is the seconds since the last call. */
  apply(alpha, elapsed) {
    const state = this.#state;
    const slow = pace(elapsed);
    if (!state || state.length !== alpha.length || !slow) {
      this.#state = Float32Array.from(alpha);
      return Float32Array.from(alpha);
    }
    for (let i = 0; i < state.length; i++) {
      const change = alpha[i] - state[i];
      const share = Math.min(Math.max((Math.abs(change) - tremble) / (motion - tremble), 0), 1);
      state[i] += (slow + (1 - slow) * share * share * (3 - 2 * share)) * change;
    }
    return Float32Array.from(state);
  }
}
