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
      line[4 * i] = values[from];
      line[4 * i + 1] = values[from + 1];
      line[4 * i + 2] = values[from + 2];
      line[4 * i + 3] = values[from + 3];
    }
    let [source, target] = [line, mean];
    for (let pass = 1; pass <= PASSES; pass++) {
      const first = pass * (radius + 1);
      const [reach, end] = [4 * (radius + 1), 4 * (whole - first)];
      let [red, green, blue, weight] = [0, 0, 0, 0];
      for (let at = 4 * (first - radius); at < 4 * (first + radius + 1); at += 4) {
        red += source[at];
        green += source[at + 1];
        blue += source[at + 2];
        weight += source[at + 3];
      }
      for (let at = 4 * first, left = at - reach, right = at + reach; at < end; at += 4, left += 4, right += 4) {
        target[at] = share * (red + edge * (source[left] + source[right]));
        target[at + 1] = share * (green + edge * (source[left + 1] + source[right + 1]));
        target[at + 2] = share * (blue + edge * (source[left + 2] + source[right + 2]));
        target[at + 3] = share * (weight + edge * (source[left + 3] + source[right + 3]));
        red += source[right] - source[left + 4];
        green += source[right + 1] - source[left + 5];
        blue += source[right + 2] - source[left + 6];
        weight += source[right + 3] - source[left + 7];
      }
      [source, target] = [target, source];
    }
    for (let i = 0, to = start, from = 4 * margin; i < length; i++, to += next, from += 4) {
      values[to] = source[from];
      values[to + 1] = source[from + 1];
      values[to + 2] = source[from + 2];
      values[to + 3] = source[from + 3];
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
