// Without WebGL2: the browser's own compositing. It offers a blur only where the browser really blurs.

import constants from '../../constants.json';
import {cover} from './letterbox.js';

const {levels, geometry} = constants;
const PAD = `rgb(${geometry.pad} ${geometry.pad} ${geometry.pad})`;

/** Whether `filter` blurs: WebKit takes the setting without a word and draws all the same. */
function blursHere() {
  const canvas = new OffscreenCanvas(9, 9);
  const context = canvas.getContext('2d');
  context.fillRect(0, 0, 4, 9);
  const second = new OffscreenCanvas(9, 9).getContext('2d', {willReadFrequently: true});
  second.filter = 'blur(2px)';
  second.drawImage(canvas, 0, 0);
  const alpha = second.getImageData(5, 4, 1, 1).data[3];
  return alpha > 8 && alpha < 247;
}

export class CanvasCompositor {
  kind = 'Canvas 2D';
  lost = false;
  largest = 4096;

  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    if (!this.context) throw new Error('no 2D canvas');
    this.capabilities = {blur: blursHere(), refine: false, ownColours: false, wrap: false};
    [this.frame, this.mask, this.person, this.input] = Array.from({length: 4}, () => new OffscreenCanvas(1, 1));
  }

  load(source, height, width) {
    for (const canvas of [this.frame, this.person, this.canvas]) {
      if (canvas.height !== height || canvas.width !== width) Object.assign(canvas, {height, width});
    }
    this.frame.getContext('2d').drawImage(source, 0, 0, width, height);
  }

  modelInput(height, width, box) {
    Object.assign(this.input, {height, width});
    const context = this.input.getContext('2d', {willReadFrequently: true});
    context.fillStyle = PAD;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.frame, box.left, box.top, box.width, box.height);
    return new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
  }

  setPicture(source, height, width) {
    this.picture = null;
    if (!source) return;
    this.picture = new OffscreenCanvas(width, height);
    this.picture.getContext('2d').drawImage(source, 0, 0, width, height);
  }

  compose(alpha, modelWidth, box, {background, mirror = false}) {
    const {height, width} = this.frame;
    Object.assign(this.mask, {height: box.height, width: box.width});
    const mask = this.mask.getContext('2d');
    const image = mask.createImageData(box.width, box.height);
    for (let i = 0, y = 0; y < box.height; y++) {
      for (let x = 0; x < box.width; x++, i += 4) {
        const value = alpha[(box.top + y) * modelWidth + box.left + x] / 255;
        image.data[i + 3] = (255 * (value - levels.black)) / (levels.white - levels.black);
      }
    }
    mask.putImageData(image, 0, 0);
    const cut = this.person.getContext('2d');
    cut.globalCompositeOperation = 'copy';
    cut.imageSmoothingQuality = 'high';
    cut.drawImage(this.mask, 0, 0, width, height);
    cut.globalCompositeOperation = 'source-in';
    cut.drawImage(this.frame, 0, 0);

    const {context} = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (background.kind === 'picture' && this.picture) {
      const part = cover(this.picture.height, this.picture.width, height, width);
      context.drawImage(this.picture, part.left, part.top, part.width, part.height, 0, 0, width, height);
    } else if (background.kind !== 'none' && (background.kind !== 'blur' || !this.capabilities.blur)) {
      context.fillStyle = `rgb(${(background.rgb ?? [0.3, 0.3, 0.3]).map((value) => 255 * value).join(' ')})`;
      context.fillRect(0, 0, width, height);
    }
    if (mirror) context.setTransform(-1, 0, 0, 1, width, 0);
    if (background.kind === 'blur' && this.capabilities.blur) {
      const sigma = ((background.strength ?? constants.blur.default) / 100) * Math.max(height, width);
      context.filter = `blur(${sigma}px)`;
      // Drawn thrice, each less transparent: at the border the filter mixes in what lies beyond it, nothing.
      for (let i = 0; i < 3; i++) context.drawImage(this.frame, 0, 0);
      context.filter = 'none';
    }
    context.drawImage(this.person, 0, 0);
  }

  finish() {}
}
