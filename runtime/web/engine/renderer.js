// One picture through model and compositor. Runs in the worker, or on the page where workers have no WebGL2.

import {CanvasCompositor} from './canvas2d.js';
import {GlCompositor} from './compositor.js';
import {fit} from './letterbox.js';
import {AlphaSmoother, pace} from './smoothing.js';

/** A compositor for a canvas of its own kind: WebGL2, or 2D where `only2d` says so or there is nothing else. */
function compositorOn(makeCanvas, {only2d = false, halfFloats = true} = {}) {
  if (!only2d) {
    try {
      return new GlCompositor(makeCanvas(), {halfFloats});
    } catch (error) {
      console.info(`no WebGL2 compositor: ${error.message}`);
    }
  }
  return new CanvasCompositor(makeCanvas());
}

export class Renderer {
  /** `makeCanvas` gives a new canvas; `segment` takes RGBA bytes of the model's input and promises its alpha. */
  constructor(makeCanvas, model, segment, settings = {}) {
    Object.assign(this, {makeCanvas, model, segment, settings});
    this.smoother = new AlphaSmoother();
    this.picture = null;
    this.#start();
  }

  #start() {
    this.compositor = compositorOn(this.makeCanvas, this.settings);
    this.canvas = this.compositor.canvas;
    this.canvas.addEventListener('webglcontextlost', () => this.settings.onLost?.());
    if (this.picture) this.compositor.setPicture(...this.picture);
  }

  /** What it can do here: {kind, largest, blur, refine, ownColours, wrap}. */
  get abilities() {
    const {kind, largest, capabilities} = this.compositor;
    return {kind, largest, ...capabilities};
  }

  /** A drawable of height x width that lies behind from now on; null for none. It must stay open while it is used. */
  setPicture(source, height, width) {
    this.picture = source ? [source, height, width] : null;
    this.compositor.setPicture(source, height, width);
  }

  reset() {
    this.smoother.reset();
  }

  /** The GPU was taken away (another program, a driver's restart): begin with a new canvas. */
  recover() {
    if (!this.compositor.lost) return false;
    this.lossCount = (this.lossCount ?? 0) + 1;
    if (this.lossCount > 3) this.settings = {...this.settings, only2d: true};
    this.#start();
    return true;
  }

  /**
   * Draw `source` (height x width) by `look` (see GlCompositor.compose; `smooth` holds the outline steady, `elapsed`
   * is the seconds since the picture before). Gives {alpha, box, times}. A `look` without `source` draws the last
   * picture again with the alpha that it has.
   */
  async draw(source, height, width, look) {
    const began = performance.now();
    this.recovered = this.recover();
    if (!source && this.recovered) this.bytes = null; // the picture went with the GPU's memory
    if (!source && !this.bytes) throw new Error('there is no picture to draw again');
    if (source) {
      this.box = fit(height, width, this.model.height, this.model.width, this.model.geometry);
      this.compositor.load(source, height, width);
      const input = this.compositor.modelInput(this.model.height, this.model.width, this.box);
      const ready = performance.now();
      const raw = await this.segment(input);
      const inferred = performance.now();
      this.alpha = look.smooth ? this.smoother.apply(raw, look.elapsed) : raw;
      this.times = {input: ready - began, model: inferred - ready};
      this.bytes = Uint8Array.from(this.alpha, (value) => 255 * Math.min(1, Math.max(0, value)) + 0.5);
    }
    const before = performance.now();
    const slow = source && look.smooth ? pace(look.elapsed) : 0;
    this.compositor.compose(this.bytes, this.model.width, this.box, {...look, slow, again: !source});
    if (look.timed) this.compositor.finish();
    this.times = {...this.times, compose: performance.now() - before, all: performance.now() - began};
    return {alpha: this.alpha, box: this.box, times: this.times};
  }
}
