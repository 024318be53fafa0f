// Which of two compositors draws moving pictures, found by timing both: WebGL2 draws better, but on machines without a GPU
// it runs on the processor, where the 2D canvas is several times as fast. Names do not tell: WebKit hides the GPU's.

const TRIES = 3; // frames of each, of which the fastest counts: the first compiles shaders
const FAST_ENOUGH = 12; // milliseconds a frame, with which WebGL2 keeps up with a camera beside the model
const WORTH = 1.5; // how much faster the 2D canvas must be, for what it leaves out

export class Choice {
  #times = {fine: [], quick: []};

  /** Whether `next` is still to be timed. */
  get open() {
    const {fine, quick} = this.#times;
    return fine.length < TRIES || (Math.min(...fine) > FAST_ENOUGH && quick.length < TRIES);
  }

  /** 'fine' or 'quick': which one draws the next frame. */
  get next() {
    const {fine, quick} = this.#times;
    if (fine.length < TRIES || Math.min(...fine) <= FAST_ENOUGH) return 'fine';
    return quick.length < TRIES || Math.min(...fine) > WORTH * Math.min(...quick) ? 'quick' : 'fine';
  }

  /** Milliseconds that WebGL2 takes for a frame here; undefined before it is known. */
  get slowness() {
    return this.#times.fine.length ? Math.min(...this.#times.fine) : undefined;
  }

  /** Note how long the one that `next` named took for input and drawing. */
  add(milliseconds) {
    if (this.open) this.#times[this.next].push(milliseconds);
  }
}
