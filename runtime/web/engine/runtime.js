// A .tflite of this project in LiteRT.js: pixels in, alpha at the model's size out. Runs in the worker.

import * as LiteRt from '@litertjs/core';
import {withoutHalves} from './weights.js';

export class Model {
  /**
   * Load LiteRT from `folder` and compile `bytes` in one way (see features.js); `onThreads` hears that its threads are
   * made. Throws when that way fails here.
   */
  static async open(bytes, {height, width}, way, folder, onThreads = () => {}) {
    const script = folder + way.script;
    // In a worker the runtime would look for its files, and its threads for their script, where the worker lies.
    const locateFile = (name) => {
      onThreads(); // they are made before it asks for its .wasm
      return folder + name;
    };
    self.Module = {locateFile, mainScriptUrlOrBlob: script};
    if (way.threads > 1) {
      // LiteRT makes a thread for each core, before it hears how many it shall use; this worker is the first of those.
      Object.defineProperty(navigator, 'hardwareConcurrency', {value: way.threads - 1, configurable: true});
    }
    await LiteRt.loadLiteRt(way.threads > 1 ? folder : script, {threads: way.threads > 1});
    const onGpu = way.accelerator === 'webgpu';
    const options = onGpu ? {gpuOptions: {precision: way.precision}} : {cpuOptions: {numThreads: way.threads}};
    const file = onGpu ? bytes : withoutHalves(bytes);
    const compiled = await LiteRt.loadAndCompile(file, {accelerator: way.accelerator, ...options});
    if (onGpu && !(compiled.isFullyAccelerated && compiled.options.accelerator === 'webgpu')) {
      throw new Error('this model does not run on the GPU');
    }
    const [input] = compiled.getInputDetails();
    const wanted = [1, height, width, 3];
    if (input.shape.length !== 4 || wanted.some((side, i) => input.shape[i] !== side)) {
      const found = Array.from(input.shape).join('x');
      throw Object.assign(new Error(`the model takes ${found}, and is listed as ${wanted.join('x')}`), {final: true});
    }
    const model = new Model(compiled, input, height, width);
    await model.alpha(new Uint8Array(4 * height * width)); // the first run, in which GPUs fail late
    return model;
  }

  constructor(compiled, input, height, width) {
    Object.assign(this, {compiled, height, width});
    this.pixels = new (input.dtype === 'uint8' ? Uint8Array : Float32Array)(3 * height * width);
  }

  /** Whether all of it runs in XNNPACK's kernels or on the GPU; int8 files have a step outside at either end. */
  get whole() {
    return this.compiled.isFullyAccelerated;
  }

  /** Alpha (Float32Array height x width, 0..1) of RGBA bytes height x width. */
  async alpha(rgba) {
    const {pixels} = this;
    for (let i = 0, j = 0; j < pixels.length; i += 4) {
      pixels[j++] = rgba[i];
      pixels[j++] = rgba[i + 1];
      pixels[j++] = rgba[i + 2];
    }
    const input = new LiteRt.Tensor(pixels, [1, this.height, this.width, 3]);
    const [output] = await this.compiled.run(input);
    const scores = await output.data(); // a copy
    output.delete();
    input.delete();
    if (scores instanceof Float32Array) return scores;
    const alpha = new Float32Array(scores.length);
    for (let i = 0; i < alpha.length; i++) alpha[i] = scores[i] / 255; // int8 files give bytes, in which certain is 255
    return alpha;
  }
}
