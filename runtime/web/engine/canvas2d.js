// The person before another background by the browser's 2D canvas: where there is no WebGL2, and for moving pictures where
// WebGL2 runs on the processor. Alpha is soft and levelled, the blur without halo; edges and colours stay as they are.

import constants from '../../constants.json';
import {cover} from './letterbox.js';
import {blurBackground} from './soft.js';

const {levels, geometry, blur} = constants;
const PAD = `rgb(${geometry.pad} ${geometry.pad} ${geometry.pad})`;
const BLURRED = 320; // longest side, in pixels, of what is blurred

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
  largest = 4096;

  constructor(canvas) {
    this.canvas = canvas;
    // In the processor's memory: a browser that draws 2D by a GPU that is none is slower still.
    this.context = canvas.getContext('2d', {willReadFrequently: true});
    if (!this.context) throw new Error('no 2D canvas');
    this.capabilities = {refine: false, ownColours: false, wrap: false};
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
    this.halves = [{drawable: this.source, height, width}]; // by how often it was halved
  }

  /** The loaded picture, halved so many times: {drawable, height, width, sheet}. Two bilinear pixels in one skip nothing. */
  #halved(times) {
    if (this.halves[times]) return this.halves[times];
    const before = this.#halved(times - 1);
    const [height, width] = [before.height, before.width].map((side) => Math.max(1, side >> 1));
    const sheet = this.#sheet(`half ${times}`);
    const context = sheet.sized(height, width);
    context.globalCompositeOperation = 'copy';
    context.drawImage(before.drawable, 0, 0, width, height);
    return (this.halves[times] = {drawable: sheet.canvas, height, width, sheet});
  }

  /** The loaded picture as a model's input: RGBA bytes height x width x 4 with the picture in `box`. */
  modelInput(height, width, box) {
    const input = this.#sheet('input');
    const context = input.sized(height, width);
    context.fillStyle = PAD;
    context.fillRect(0, 0, width, height);
    const times = Math.floor(Math.log2(Math.min(this.height / box.height, this.width / box.width)));
    context.drawImage(this.#halved(Math.max(0, times)).drawable, box.left, box.top, box.width, box.height);
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
    const times = Math.max(1, Math.floor(Math.log2(wanted / blur.pixels)), Math.ceil(Math.log2(longest / BLURRED)));
    const {height, width, sheet} = this.#halved(times);
    const share = this.#sheet('share');
    const context = share.sized(height, width);
    context.globalCompositeOperation = 'copy';
    context.drawImage(mask, 0, 0, width, height);
    const image = sheet.pixels();
    blurBackground(image.data, share.pixels().data, height, width, Math.max(wanted / 2 ** times, 1e-3));
    const room = this.#sheet('room');
    room.sized(height, width).putImageData(image, 0, 0);
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
