// The page's end of the model: finds the best way to run it here, and starts the worker that does.

import {features, waysToRun} from './features.js';
import {Caller} from './messages.js';

const PATIENCE = 25_000; // milliseconds for one way to start, once its files are here
const LAST_PATIENCE = 10 * PATIENCE;
// Milliseconds for the threads to be made. Firefox (153) now and then never makes them, but does on the next try.
const THREADS_PATIENCE = [3_000, 6_000, 12_000];

/** Where the worker and LiteRT's files lie, from the build (see build.mjs). */
const ASSETS = {worker: __WORKER__, litert: __LITERT__, sizes: __SIZES__};

/** Bytes of a file, with `onBytes` called as they come. Throws with the address where the server has none. */
async function download(url, onBytes, signal) {
  const answer = await fetch(url, {signal});
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  const reader = answer.body.getReader();
  const parts = [];
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    parts.push(value);
    onBytes(value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Throws when a file is no whole .tflite: no way to run it would do, and each would take seconds to say so. */
function checkFile(bytes, model) {
  const mark = String.fromCharCode(...bytes.subarray(4, 8));
  if (mark !== 'TFL3') throw new Error('the file is no .tflite model');
  if (model.bytes && bytes.length !== model.bytes) throw new Error('the file is not whole');
}

export class Segmenter {
  constructor(caller, model, way, found, failed, whole) {
    /** `way` is how it runs, `whole` whether fast kernels do all; `failed` are the ways tried before, with their errors. */
    Object.assign(this, {caller, model, way, features: found, failed, whole});
  }

  /** Alpha (Float32Array model height x width, 0..1) of RGBA bytes of that size. */
  segment(pixels) {
    const copy = new Uint8Array(pixels);
    return this.caller.call('segment', {pixels: copy}, [copy.buffer]);
  }

  /** Stop the worker and give its memory back. */
  close() {
    this.caller.end();
  }
}

/**
 * Open `model` ({url, height, width, geometry}, bytes where known). Options: `onGpu` tries WebGPU first, `onProgress` hears
 * 0..1, `assets` is the folder of the built package, `patience` the milliseconds for one way to start; one that took
 * longer gets more when no other works (a busy computer without a network has the files of one way alone). Throws an
 * Error with a line to show when no way works.
 */
export async function createSegmenter(
  model, {onGpu = false, onProgress = () => {}, assets = __BASE__, patience = PATIENCE} = {},
) {
  const base = new URL(assets, import.meta.url ?? document.baseURI).href;
  const found = await features();
  const ways = waysToRun(found, onGpu);
  if (!ways.length) throw new Error('this browser lacks WebAssembly with SIMD');
  const runtime = new URL(ASSETS.litert, base).href;
  const wasm = (way) => way.script.replace('.js', '.wasm');
  const total = (model.bytes ?? 3e6) + ASSETS.sizes[wasm(ways[0])];
  let got = 0;
  const count = (length) => onProgress(Math.min(1, (got += length) / total));
  // The runtime is fetched here for the progress alone: the worker finds it in the browser's cache.
  const stop = new AbortController();
  const [bytes] = await Promise.all([
    download(new URL(model.url, document.baseURI).href, count, stop.signal),
    download(runtime + wasm(ways[0]), count, stop.signal),
  ]).catch((error) => {
    stop.abort(); // of two downloads one failed: the other would go on, and report its progress
    throw error;
  });
  checkFile(bytes, model);
  const failed = [];
  const tries = ways.map((way) => ({way, limit: patience}));
  for (let i = 0; i < tries.length; i++) {
    const {way, limit, before = 0} = tries[i];
    const caller = new Caller(new Worker(new URL(ASSETS.worker, base)));
    const later = limit !== LAST_PATIENCE ? {way, limit: LAST_PATIENCE} : null; // when no other works
    let again = null;
    const threads = way.threads > 1 && later && setTimeout(() => {
      if (before + 1 < THREADS_PATIENCE.length) again = {way, limit, before: before + 1};
      else tries.push(later);
      caller.end('its threads were not made in time');
    }, THREADS_PATIENCE[before]);
    caller.on('threads', () => clearTimeout(threads));
    const timer = setTimeout(() => {
      if (later) tries.push(later);
      caller.end('it did not start in time');
    }, limit);
    try {
      const {height, width, geometry} = model;
      const {whole} = await caller.call('open', {bytes, model: {height, width, geometry}, way, folder: runtime});
      return new Segmenter(caller, model, way, found, failed, whole);
    } catch (error) {
      caller.end();
      if (again) tries.splice(i + 1, 0, again);
      else failed.push({way: way.label, error: error.message});
      if (error.final) break;
      console.info(`${way.label}: ${error.message}`);
    } finally {
      clearTimeout(timer);
      clearTimeout(threads);
    }
  }
  throw new Error(failed.at(-1).error);
}
