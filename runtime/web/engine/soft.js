// A small background out of focus, on the processor: what shaders/blur.frag.glsl does on the GPU.

import constants from '../../constants.json';

const {blur} = constants;
const PASSES = 3; // so many means over windows come within three percent of a Gaussian
const WEIGHTS = Float32Array.from({length: 256}, (_, alpha) => (1 - alpha / 255) ** 4 + blur.floor);

/** Windows whose means, one over the other, have the variance sigma^2: pixels to either side, weight of the next ones. */
function windowOf(sigma) {
  const variance = (sigma * sigma) / PASSES;
  const radius = Math.floor((Math.sqrt(1 + 12 * variance) - 1) / 2);
  const squares = (radius * (radius + 1) * (2 * radius + 1)) / 6;
  const edge = (variance * (2 * radius + 1) - 2 * squares) / (2 * (radius + 1) ** 2 - 2 * variance);
  return {radius, edge};
}

/** Means over windows along lines of `length` pixels of four numbers; `next` and `beside` are steps in `values`. */
function blurLines(values, lines, beside, length, next, sigma) {
  const {radius, edge} = windowOf(sigma);
  const margin = PASSES * (radius + 1);
  const whole = length + 2 * margin;
  const [line, mean] = [new Float32Array(4 * whole), new Float32Array(4 * whole)];
  const last = length - 1;
  const share = 1 / (2 * radius + 1 + 2 * edge);
  for (let n = 0; n < lines; n++) {
    const start = n * beside;
    for (let i = 0; i < whole; i++) {
      const place = Math.abs(i - margin); // mirrored at the border
      const from = start + next * Math.min(Math.max(last - Math.abs(last - place), 0), last);
      for (let c = 0; c < 4; c++) line[4 * i + c] = values[from + c];
    }
    let [source, target] = [line, mean];
    for (let pass = 1; pass <= PASSES; pass++) {
      const first = pass * (radius + 1);
      for (let c = 0; c < 4; c++) {
        let sum = 0;
        for (let i = first - radius; i <= first + radius; i++) sum += source[4 * i + c];
        const end = 4 * (whole - first) + c;
        const [before, after] = [4 * (radius + 1), 4 * (radius + 1)];
        for (let at = 4 * first + c; at < end; at += 4) {
          target[at] = share * (sum + edge * (source[at - before] + source[at + after]));
          sum += source[at + after] - source[at - before + 4];
        }
      }
      [source, target] = [target, source];
    }
    for (let i = 0; i < length; i++) {
      for (let c = 0; c < 4; c++) values[start + next * i + c] = source[4 * (margin + i) + c];
    }
  }
}

/**
 * Blur `pixels` (RGBA bytes height x width) in place by a Gaussian of `sigma` pixels that averages background only
 * (normalised convolution, Knutsson and Westin, 1993). `shares` are RGBA bytes whose alpha is the person's.
 */
export function blurBackground(pixels, shares, height, width, sigma) {
  const values = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i += 4) {
    const weight = WEIGHTS[shares[i + 3]];
    values[i] = weight * pixels[i];
    values[i + 1] = weight * pixels[i + 1];
    values[i + 2] = weight * pixels[i + 2];
    values[i + 3] = weight;
  }
  blurLines(values, height, 4 * width, width, 4, sigma);
  blurLines(values, width, 4, height, 4 * width, sigma);
  for (let i = 0; i < pixels.length; i += 4) {
    const scale = 1 / values[i + 3];
    pixels[i] = scale * values[i];
    pixels[i + 1] = scale * values[i + 1];
    pixels[i + 2] = scale * values[i + 2];
    pixels[i + 3] = 255;
  }
}
