// What this browser can do for a model, found by trying, and the ways to run one in order of preference.

/** Modules that only validate where a feature is there: (func (result v128) i32x4 dot of relaxed SIMD), and so on. */
const MODULES = {
  simd: [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  relaxedSimd: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
    253, 128, 2, 11,
  ],
  atomics: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0,
    26, 11,
  ],
};
const MOST_THREADS = 4;

const validates = (name) => WebAssembly.validate(new Uint8Array(MODULES[name]));

/** {webAssembly, simd, relaxedSimd, threads, cores, webgpu, fp16}; what the GPU can do is found without opening it. */
export async function features() {
  const found = {webAssembly: typeof WebAssembly === 'object', cores: navigator.hardwareConcurrency || 1};
  if (found.webAssembly) {
    found.simd = validates('simd');
    found.relaxedSimd = validates('relaxedSimd');
    found.threads = Boolean(self.crossOriginIsolated) && typeof SharedArrayBuffer === 'function' && validates('atomics');
  }
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    found.webgpu = Boolean(adapter);
    found.fp16 = Boolean(adapter?.features.has('shader-f16'));
  } catch {
    found.webgpu = found.fp16 = false;
  }
  return found;
}

/**
 * The ways to run a model here, best first: {accelerator, script, threads, precision, label}. LiteRT has threads only
 * in its build with relaxed SIMD; without either there is the compatible build.
 */
export function waysToRun(found, onGpu = false) {
  const ways = [];
  if (!found.simd) return ways;
  const threads = Math.min(MOST_THREADS, found.cores);
  const script = found.relaxedSimd ? 'litert_wasm_internal.js' : 'litert_wasm_compat_internal.js';
  const kind = found.relaxedSimd ? 'relaxed SIMD' : 'SIMD';
  if (onGpu && found.webgpu) {
    if (found.fp16) ways.push({accelerator: 'webgpu', script, threads: 1, precision: 'fp16', label: 'WebGPU, fp16'});
    ways.push({accelerator: 'webgpu', script, threads: 1, precision: 'fp32', label: 'WebGPU'});
  }
  if (found.threads && found.relaxedSimd && threads > 1) {
    const label = `${threads} threads, relaxed SIMD`;
    ways.push({accelerator: 'wasm', script: 'litert_wasm_threaded_internal.js', threads, label});
  }
  ways.push({accelerator: 'wasm', script, threads: 1, label: `1 thread, ${kind}`});
  if (found.relaxedSimd) {
    const compatible = 'litert_wasm_compat_internal.js';
    ways.push({accelerator: 'wasm', script: compatible, threads: 1, label: '1 thread, SIMD'});
  }
  return ways;
}
