// A .tflite of this project in LiteRT.js: a picture, video frame or canvas in, alpha at the model's size out.

import * as LiteRt from '@litertjs/core';
import {fit, PAD} from './letterbox.js';

let runtime = null;

/** Load LiteRT's WebAssembly once; with threads where the page is isolated. Gives the number of threads. */
export async function loadRuntime() {
  if (!runtime) {
    const threads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
    const folder = new URL('lib/core/wasm/', document.baseURI).href;
    runtime = LiteRt.loadLiteRt(folder, {threads: threads > 1}).then(() => threads);
  }
  return runtime;
}

export class Segmenter {
  /** Open `model` ({url, height, width}) as models.json lists it. */
  static async open(model) {
    const threads = await loadRuntime();
    const compiled = await LiteRt.loadAndCompile(new URL(model.url, document.baseURI).href, {
      accelerator: 'wasm',
      cpuOptions: {numThreads: threads},
    });
    return new Segmenter(compiled, model, threads);
  }

  constructor(compiled, {height, width}, threads) {
    Object.assign(this, {compiled, height, width, threads});
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext('2d', {willReadFrequently: true});
    this.bytes = compiled.getInputDetails()[0].dtype === 'uint8';
    this.pixels = new (this.bytes ? Uint8Array : Float32Array)(3 * height * width);
  }

  /** Alpha (Float32Array height x width, 0..1) of a drawable of the given size, and where it lies in it. */
  async alpha(drawable, sourceHeight, sourceWidth) {
    const box = fit(sourceHeight, sourceWidth, this.height, this.width);
    this.context.fillStyle = PAD;
    this.context.fillRect(0, 0, this.width, this.height);
    this.context.imageSmoothingQuality = 'high';
    this.context.drawImage(drawable, box.left, box.top, box.width, box.height);
    const {data} = this.context.getImageData(0, 0, this.width, this.height);
    for (let i = 0, j = 0; i < data.length; i += 4) {
      this.pixels[j++] = data[i];
      this.pixels[j++] = data[i + 1];
      this.pixels[j++] = data[i + 2];
    }
    const input = new LiteRt.Tensor(this.pixels, [1, this.height, this.width, 3]);
    const [output] = await this.compiled.run(input);
    const scores = await output.data();
    // int8 files give bytes, in which certain is 255.
    const alpha = scores instanceof Float32Array ? Float32Array.from(scores) : Float32Array.from(scores, (v) => v / 255);
    output.delete();
    input.delete();
    return {alpha, box};
  }
}
