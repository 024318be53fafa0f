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

/** The model compiled for the GPU, or null where that takes none of it or only parts. */
async function compileForGpu(url) {
  try {
    const compiled = await LiteRt.loadAndCompile(url, {accelerator: 'webgpu'});
    if (compiled.isFullyAccelerated) return compiled;
    compiled.delete();
  } catch (error) {
    console.info(`no GPU for this model: ${error.message}`);
  }
  return null;
}

export class Segmenter {
  /**
   * Open `model` ({url, height, width, geometry}) as models.json lists it, on the CPU or, with onGpu, by WebGPU.
   * What the GPU does not take whole (int8 models, for one) runs on the CPU; `processor` tells where it is.
   */
  static async open(model, onGpu = false) {
    const threads = await loadRuntime();
    const url = new URL(model.url, document.baseURI).href;
    const compiled = onGpu ? await compileForGpu(url) : null;
    if (compiled) return new Segmenter(compiled, model, 'GPU');
    const cpuOptions = {numThreads: threads};
    const onCpu = await LiteRt.loadAndCompile(url, {accelerator: 'wasm', cpuOptions});
    return new Segmenter(onCpu, model, `${threads} thread(s)`);
  }

  constructor(compiled, model, processor) {
    const {height, width, geometry} = model;
    Object.assign(this, {compiled, model, height, width, geometry, processor});
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext('2d', {willReadFrequently: true});
    this.bytes = compiled.getInputDetails()[0].dtype === 'uint8';
    this.pixels = new (this.bytes ? Uint8Array : Float32Array)(3 * height * width);
  }

  /** Give the model's memory back. */
  close() {
    this.compiled.delete();
  }

  /** Alpha (Float32Array height x width, 0..1) of a drawable of the given size, and where it lies in it. */
  async alpha(drawable, sourceHeight, sourceWidth) {
    const box = fit(sourceHeight, sourceWidth, this.height, this.width, this.geometry);
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
