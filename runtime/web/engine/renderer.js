// One picture through model and compositor. Runs in the worker, or on the page where workers have no WebGL2.

import {CanvasCompositor} from './canvas2d.js';
import {Choice} from './choice.js';
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

/** Alpha as bytes, 255 for 1. */
function bytesOf(alpha, old) {
  const bytes = old?.length === alpha.length ? old : new Uint8ClampedArray(alpha.length);
  for (let i = 0; i < alpha.length; i++) bytes[i] = 255 * alpha[i]; // rounds and clamps
  return bytes;
}

export class Renderer {
  /**
   * `makeCanvas` gives a new canvas; `segment` takes RGBA bytes of the model's input and promises its alpha. `settings`
   * are for tests: `only2d`, `halfFloats`, and `moving`, which names what draws moving pictures ('fine' or 'quick').
   */
  constructor(makeCanvas, model, segment, settings = {}) {
    Object.assign(this, {makeCanvas, model, segment, settings});
    this.smoother = new AlphaSmoother();
    this.picture = null;
    this.#start();
  }

  #start() {
    this.compositor = this.fine = compositorOn(this.makeCanvas, this.settings);
    this.quick = null;
    this.fine.canvas.addEventListener('webglcontextlost', () => this.settings.onLost?.());
    if (this.picture) this.fine.setPicture(...this.picture);
  }

  /** The canvas that was drawn last. */
  get canvas() {
    return this.compositor.canvas;
  }

  /** What it can do here: {kind, largest, refine, ownColours, wrap, slowness}, of the compositor that drew last. */
  get abilities() {
    const {kind, capabilities} = this.compositor;
    const slowness = this.compositor === this.fine ? undefined : this.choice?.slowness;
    return {kind, largest: this.fine.largest, ...capabilities, slowness};
  }

  /** A drawable of height x width that lies behind from now on; null for none. It must stay open while it is used. */
  setPicture(source, height, width) {
    this.picture = source ? [source, height, width] : null;
    for (const compositor of [this.fine, this.quick]) compositor?.setPicture(source, height, width);
  }

  reset() {
    this.smoother.reset();
  }

  /** The GPU was taken away (another program, a driver's restart): begin with a new canvas. */
  recover() {
    if (!this.fine.lost) return false;
    this.lossCount = (this.lossCount ?? 0) + 1;
    if (this.lossCount > 3) this.settings = {...this.settings, only2d: true};
    this.#start();
    return true;
  }

  /** The compositor for a new picture. Stills are always drawn as well as can be, and so is what only WebGL2 does. */
  #chosen(height, width, look) {
    if (!look.moving || this.fine.kind !== 'WebGL2' || look.wrap > 0) return this.fine;
    if (this.choice?.size !== height * width) this.choice = Object.assign(new Choice(), {size: height * width});
    if ((this.settings.moving || this.choice.next) === 'fine') return this.fine;
    if (!this.quick) {
      this.quick = new CanvasCompositor(this.makeCanvas());
      if (this.picture) this.quick.setPicture(...this.picture);
    }
    return this.quick;
  }

  /**
   * Draw `source` (height x width) by `look` (see GlCompositor.compose; `moving` says that it is a frame of many,
   * `smooth` holds the outline steady, `elapsed` is the seconds since the picture before). Gives {alpha, box, times}.
   * A `look` without `source` draws the last picture again with the alpha that it has.
   */
  async draw(source, height, width, look) {
    const began = performance.now();
    this.recovered = this.recover();
    if (!source && this.recovered) this.bytes = null; // the picture went with the GPU's memory
    if (!source && !this.bytes) throw new Error('there is no picture to draw again');
    let timed = look.timed;
    if (source) {
      this.compositor = this.#chosen(height, width, look);
      timed ||= look.moving && !this.settings.moving && this.choice?.open;
      this.box = fit(height, width, this.model.height, this.model.width, this.model.geometry);
      this.compositor.load(source, height, width, look.moving);
      const input = this.compositor.modelInput(this.model.height, this.model.width, this.box);
      const ready = performance.now();
      const raw = await this.segment(input);
      const inferred = performance.now();
      this.alpha = look.smooth ? this.smoother.apply(raw, look.elapsed) : raw;
      this.times = {input: ready - began, model: inferred - ready};
      this.bytes = bytesOf(this.alpha, this.bytes);
    }
    const before = performance.now();
    const slow = source && look.smooth ? pace(look.elapsed) : 0;
    this.compositor.compose(this.bytes, this.model.width, this.box, {...look, slow, again: !source});
    if (timed) this.compositor.finish();
    this.times = {...this.times, compose: performance.now() - before, all: performance.now() - began};
    if (source && look.moving && !this.settings.moving && !(look.wrap > 0)) this.choice?.add(this.times.input + this.times.compose);
    return {alpha: this.alpha, box: this.box, times: this.times};
  }
}
