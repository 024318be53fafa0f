// The person before another background by the browser's 2D canvas: where there is no WebGL2, and for moving pictures where
// WebGL2 runs on the processor. Alpha is soft and levelled, the blur without halo; edges and colours stay as they are.

import constants from '../../constants.json';
import {cover} from './letterbox.js';
import {blurBackground} from './soft.js';

const {levels, geometry, blur} = constants;
const PAD = `rgb(${geometry.pad} ${geometry.pad} ${geometry.pad})`;
const BLURRED = 256; // longest side, in pixels, of what is blurred
const PIXELS = 2; // of it, for the blur's sigma: WebGL2 takes more, which nobody sees

/** Alpha of the model -> a pixel of the mask: levelled alpha in the highest byte. */
const MASK = Uint32Array.from({length: 256}, (_, alpha) => {
  const share = (alpha / 255 - levels.black) / (levels.white - levels.black);
  return (Math.round(255 * Math.min(1, Math.max(0, share))) << 24) >>> 0;
});

/** A canvas with its context; `read` says that its pixels are read, so that it stays in the processor's memory. */
class Sheet {
  constructor(read = true) {
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext('2d', {willReadFrequently: read});
  }

  /** The context, of a canvas that now has this size. */
  sized(height, width) {
    const {canvas, context} = this;
    if (canvas.height !== height || canvas.width !== width) Object.assign(canvas, {height, width});
    context.imageSmoothingQuality = 'low'; // bilinear; changing the size resets it
    return context;
  }

  pixels() {
    return this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }
}

export class CanvasCompositor {
  kind = 'Canvas 2D';
  lost = false;
  software = false;
  largest = 4096;

  constructor(canvas) {
    this.canvas = canvas;
    // In the processor's memory: a browser that draws 2D by a GPU that is none is slower still.
    this.context = canvas.getContext('2d', {willReadFrequently: true});
    if (!this.context) throw new Error('no 2D canvas');
    this.capabilities = {blur: true, refine: false, ownColours: false, wrap: false};
    this.sheets = {};
  }

  #sheet(name) {
    return (this.sheets[name] ??= new Sheet());
  }

  /** Take a drawable of height x width as the picture that comes next; with `moving` it need not be kept for another drawing. */
  load(source, height, width, moving = false) {
    Object.assign(this, {height, width});
    // Videos go on while the model works, and frames of cameras are converted each time that they are drawn.
    if (moving && source instanceof ImageBitmap) this.source = source;
    else {
      const context = this.#sheet('frame').sized(height, width);
      context.globalCompositeOperation = 'copy';
      context.drawImage(source, 0, 0, width, height);
      this.source = context.canvas;
    }
    this.halves = [{drawable: this.source, height, width}];
  }

  /** Draw the loaded picture smaller, into a part of a context. By halves first: one bilinear step would skip pixels. */
  #shrink(context, left, top, width, height) {
    let level = 0;
    for (let last = this.halves[0]; last.height >= 2 * height && last.width >= 2 * width; last = this.halves[level]) {
      level++;
      if (this.halves[level]) continue;
      const [tall, wide] = [last.height >> 1, last.width >> 1];
      const half = this.#sheet(`half ${level}`).sized(tall, wide);
      half.globalCompositeOperation = 'copy';
      half.drawImage(last.drawable, 0, 0, wide, tall);
      this.halves[level] = {drawable: half.canvas, height: tall, width: wide};
    }
    context.drawImage(this.halves[level].drawable, left, top, width, height);
  }

  /** The loaded picture as a model's input: RGBA bytes height x width x 4 with the picture in `box`. */
  modelInput(height, width, box) {
    const input = this.#sheet('input');
    const context = input.sized(height, width);
    context.fillStyle = PAD;
    context.fillRect(0, 0, width, height);
    this.#shrink(context, box.left, box.top, box.width, box.height);
    return input.pixels().data;
  }

  setPicture(source, height, width) {
    this.picture = source ? {source, height, width} : null;
    this.covered = null;
  }

  /** As GlCompositor.compose; `refine` and `wrap` are not to be had here. */
  compose(alpha, modelWidth, box, {background, mirror = false, split = 0}) {
    const {canvas, context, source, height, width} = this;
    if (canvas.height !== height || canvas.width !== width) Object.assign(canvas, {height, width});
    const mask = this.#mask(alpha, modelWidth, box);
    const picture = background.kind === 'picture' && this.picture;
    const turned = mirror ? [-1, 0, 0, 1, width, 0] : [1, 0, 0, 1, 0, 0];
    context.imageSmoothingQuality = 'low';
    context.setTransform(...turned);
    context.globalCompositeOperation = 'copy';
    if (picture || background.kind === 'none') {
      context.drawImage(mask, 0, 0, width, height);
      context.globalCompositeOperation = 'source-in';
      context.drawImage(source, 0, 0, width, height);
      context.resetTransform();
      context.globalCompositeOperation = 'destination-over';
      if (picture) context.drawImage(this.#covered(), 0, 0);
    } else {
      // What is smooth is drawn over the picture in one go, at the mask's size and with holes for the person: each step
      // over the whole picture takes milliseconds.
      context.drawImage(source, 0, 0, width, height);
      context.globalCompositeOperation = 'source-over';
      context.drawImage(this.#veil(mask, background), 0, 0, width, height);
    }
    if (split > 0) this.#showSource(split, turned);
  }

  /** Left of a share of the width: the picture as it was. */
  #showSource(split, turned) {
    const {context, height, width} = this;
    context.save();
    context.resetTransform();
    context.beginPath();
    context.rect(0, 0, split * width, height);
    context.clip();
    context.setTransform(...turned);
    context.globalCompositeOperation = 'source-over';
    context.drawImage(this.source, 0, 0, width, height);
    context.restore();
  }

  /** Wait until it is drawn: for timing only. */
  finish() {
    this.context.getImageData(0, 0, 1, 1);
  }

  /** A canvas of the box's size whose alpha is the person's, levelled. */
  #mask(alpha, modelWidth, box) {
    const context = this.#sheet('mask').sized(box.height, box.width);
    if (this.image?.width !== box.width || this.image.height !== box.height) {
      this.image = context.createImageData(box.width, box.height);
    }
    const pixels = new Uint32Array(this.image.data.buffer);
    for (let i = 0, y = 0; y < box.height; y++) {
      const row = (box.top + y) * modelWidth + box.left;
      for (let x = 0; x < box.width; x++) pixels[i++] = MASK[alpha[row + x]];
    }
    context.putImageData(this.image, 0, 0);
    return context.canvas;
  }

  /** A colour or the blurred room, transparent where the person is: a canvas of the mask's size. */
  #veil(mask, background) {
    const {height, width} = mask;
    const context = this.#sheet('veil').sized(height, width);
    context.globalCompositeOperation = 'copy';
    if (background.kind === 'blur') {
      context.drawImage(this.#blurred(mask, background.strength ?? blur.default), 0, 0, width, height);
    } else {
      context.fillStyle = `rgb(${(background.rgb ?? [0, 0, 0]).map((value) => 255 * value).join(' ')})`;
      context.fillRect(0, 0, width, height);
    }
    context.globalCompositeOperation = 'destination-out';
    context.drawImage(mask, 0, 0);
    return context.canvas;
  }

  #blurred(mask, strength) {
    const longest = Math.max(this.height, this.width);
    const wanted = (strength / 100) * longest;
    const factor = Math.max(1, Math.floor(wanted / PIXELS), longest / BLURRED);
    const [height, width] = [this.height, this.width].map((side) => Math.max(1, Math.floor(side / factor)));
    const [room, share] = [this.#sheet('room'), this.#sheet('share')];
    const context = room.sized(height, width);
    context.globalCompositeOperation = 'copy';
    this.#shrink(context, 0, 0, width, height);
    const shares = share.sized(height, width);
    shares.globalCompositeOperation = 'copy';
    shares.drawImage(mask, 0, 0, width, height);
    const image = room.pixels();
    blurBackground(image.data, share.pixels().data, height, width, Math.max(wanted / factor, 1e-3));
    context.putImageData(image, 0, 0);
    return room.canvas;
  }

  /** The background picture at the result's size, which it covers. */
  #covered() {
    const {height, width, picture} = this;
    if (this.covered?.height === height && this.covered.width === width) return this.covered;
    const part = cover(picture.height, picture.width, height, width);
    const context = this.#sheet('covered').sized(height, width);
    context.imageSmoothingQuality = 'high';
    context.globalCompositeOperation = 'copy';
    context.drawImage(picture.source, part.left, part.top, part.width, part.height, 0, 0, width, height);
    return (this.covered = context.canvas);
  }
}
