// The person before another background, on the GPU: what runtime/ does in Python, as passes over textures.

import constants from '../../constants.json';
import {BYTES, Gl, HALVES} from './gl.js';
import {cover} from './letterbox.js';
import alphaShader from '../../shaders/alpha.frag.glsl';
import blurShader from '../../shaders/blur.frag.glsl';
import composeShader from '../../shaders/compose.frag.glsl';
import fitShader from '../../shaders/fit.frag.glsl';
import ownShader from '../../shaders/own.frag.glsl';
import shrinkShader from '../../shaders/shrink.frag.glsl';
import weighShader from '../../shaders/weigh.frag.glsl';
import wholeShader from '../../shaders/whole.vert.glsl';
import windowShader from '../../shaders/window.frag.glsl';

const SHADERS = {
  'alpha.frag.glsl': alphaShader, 'blur.frag.glsl': blurShader, 'compose.frag.glsl': composeShader,
  'fit.frag.glsl': fitShader, 'own.frag.glsl': ownShader, 'shrink.frag.glsl': shrinkShader,
  'weigh.frag.glsl': weighShader, 'whole.vert.glsl': wholeShader, 'window.frag.glsl': windowShader,
};
const {levels, refine: edges, fringe, blur, geometry, smoothing} = constants;
const [NONE, COLOUR, TEXTURE] = [0, 1, 2];
const MOST_TAPS = 32;

/** The size of a picture whose longer side is at most `longest`. */
function sizeWithin(height, width, longest) {
  const scale = Math.min(1, longest / Math.max(height, width));
  return [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))];
}

export class GlCompositor {
  kind = 'WebGL2';

  /** Throws when the canvas gives no WebGL2. */
  constructor(canvas, {halfFloats = true} = {}) {
    this.canvas = canvas;
    this.glsl = new Gl(canvas, SHADERS, halfFloats);
    this.frame = this.glsl.texture();
    this.raw = this.glsl.texture();
    this.picture = null; // the background that was set, and the part of it that covers the result
    this.targets = {};
    // Edges and outline colours need more than bytes between the passes; every GPU of these years has it.
    this.capabilities = {refine: this.glsl.halfFloats, ownColours: this.glsl.halfFloats, wrap: true};
  }

  get lost() {
    return this.glsl.gl.isContextLost();
  }

  get largest() {
    return this.glsl.largest;
  }

  /** Take a drawable of height x width as the picture that comes next. */
  load(source, height, width) {
    this.glsl.upload(this.frame, source, height, width);
    this.large = this.frame;
    const [tall, wide] = sizeWithin(height, width, edges.large);
    if (tall !== height || wide !== width) this.large = this.#shrink('large', tall, wide, this.frame);
  }

  /** The loaded picture as a model's input: Uint8Array height x width x 4 with the picture in `box`. */
  modelInput(height, width, box) {
    const input = this.#target('input', height, width);
    const pad = geometry.pad / 255;
    this.glsl.clear(input, pad, pad, pad);
    this.#shrink('input', box.height, box.width, this.large, {box});
    if (this.bytes?.length !== 4 * height * width) this.bytes = new Uint8Array(4 * height * width);
    return this.glsl.read(input, this.bytes);
  }

  /** What lies behind from now on when `background.kind` is `picture`: a drawable of height x width, or null. */
  setPicture(source, height, width) {
    this.covered = null;
    if (!source) {
      this.picture = null;
      return;
    }
    this.picture ??= this.glsl.texture();
    this.glsl.upload(this.picture, source, height, width);
  }

  /**
   * Draw the loaded picture onto the canvas. `alpha` is a Uint8Array modelHeight x modelWidth (255 is the person),
   * in whose `box` the picture lies. `look` is {background: {kind, strength, rgb}, mirror, refine, wrap, split}; left of
   * `split` (0..1) the picture is shown as it was. `slow` is the share of small changes that a refined outline takes over
   * from the frame before; 0 takes it as it is. `again` says that picture and alpha are those of the last call.
   */
  compose(alpha, modelWidth, box, look) {
    const {glsl, frame, large} = this;
    const {background, mirror = false, wrap = 0, split = 0, slow = 0} = look;
    glsl.uploadBytes(this.raw, alpha, modelWidth, box);
    const refine = Boolean(look.refine && this.capabilities.refine);
    const known = look.again && this.refined === refine && this.targets.alpha;
    const share = known || this.#alpha(refine, slow);
    this.refined = refine;
    const blurred = background.kind === 'blur';
    const own = !blurred && this.capabilities.ownColours;
    const change = own ? this.#ownColours(share) : share;
    let [kind, scene] = [NONE, share];
    if (blurred) [kind, scene] = [TEXTURE, this.#blurred(share, background.strength ?? blur.default)];
    else if (background.kind === 'picture' && this.picture) [kind, scene] = [TEXTURE, this.#covered()];
    else if (background.kind !== 'none') kind = COLOUR;
    const wrapped = wrap > 0 && kind !== NONE ? [...new Set([share, scene])] : [];
    for (const texture of wrapped) glsl.mipmaps(texture, true);
    const {canvas} = this;
    if (canvas.width !== frame.width || canvas.height !== frame.height) {
      Object.assign(canvas, {width: frame.width, height: frame.height});
    }
    glsl.draw('compose', null, {
      picture: frame, alpha: share, change, background: scene, kind, mirror, own, wrap, split,
      mirrorBackground: mirror && blurred, plain: background.rgb ?? [0, 0, 0],
    });
    for (const texture of wrapped) glsl.mipmaps(texture, false);
  }

  /** Wait until the GPU has drawn: for timing only. */
  finish() {
    const {gl} = this.glsl;
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  #target(name, height, width, format = BYTES) {
    return (this.targets[name] = this.glsl.target(this.targets[name], height, width, format));
  }

  /** A picture at another size; with `alpha` also that, as the fourth channel; `crop` is a part of it in pixels. */
  #shrink(name, height, width, source, {alpha = null, crop = null, box = null} = {}) {
    const part = crop ?? {top: 0, left: 0, height: source.height, width: source.width};
    const taps = [part.width / width, part.height / height].map((ratio) => Math.min(MOST_TAPS, Math.ceil(ratio / 2)));
    const target = box ? this.targets[name] : this.#target(name, height, width);
    this.glsl.draw('shrink', target, {
      picture: source, alpha: alpha ?? source, both: Boolean(alpha), taps, size: [width, height],
      first: [part.left / source.width, part.top / source.height],
      extent: [part.width / source.width, part.height / source.height],
    }, box);
    return target;
  }

  #alpha(refine, slow) {
    const {glsl, large, raw} = this;
    let lines = raw;
    if (refine) {
      const [height, width] = sizeWithin(large.height, large.width, edges.small);
      const guide = this.#shrink('guide', height, width, large, {alpha: raw});
      const passes = ['lines', 'rows', 'columns'].map((name) => this.#target(name, height, width, HALVES));
      glsl.draw('fit', passes[0], {guide, radius: edges.radius, smoothness: edges.smoothness});
      glsl.draw('window', passes[1], {values: passes[0], direction: [1, 0], radius: edges.radius});
      glsl.draw('window', passes[2], {values: passes[1], direction: [0, 1], radius: edges.radius});
      lines = passes[2];
    }
    // The last result is kept for the next frame; bytes are too coarse to follow small changes.
    const {targets} = this;
    if (refine) [targets.alpha, targets.before] = [targets.before, targets.alpha];
    const share = this.#target('alpha', large.height, large.width, refine ? HALVES : BYTES);
    const {before} = targets;
    const fits = before?.format === HALVES && before.height === share.height && before.width === share.width;
    const steady = Boolean(refine && slow && fits);
    const {black, white} = refine ? edges : levels;
    glsl.draw('alpha', share, {
      raw, lines, picture: large, refine, levels: [black, white],
      steady, before: steady ? before : raw, pace: [slow, smoothing.tremble, smoothing.motion],
    });
    return share;
  }

  #ownColours(alpha) {
    const {glsl, frame, large} = this;
    const factor = Math.max(1, Math.round(Math.max(frame.height, frame.width) / fringe.longest));
    const size = [Math.max(1, Math.floor(frame.height / factor)), Math.max(1, Math.floor(frame.width / factor))];
    const small = this.#shrink('small', ...size, large, {alpha});
    const sums = ['person', 'behind'].map((name) => this.#target(name, ...size, HALVES));
    const radius = fringe.reach;
    glsl.draw('weigh', sums, {small, radius});
    const change = this.#target('change', ...size, HALVES);
    glsl.draw('own', change, {small, person: sums[0], behind: sums[1], radius, little: fringe.little});
    return change;
  }

  #blurred(alpha, strength) {
    const {glsl, frame, large} = this;
    const longest = Math.max(frame.height, frame.width);
    const wanted = (strength / 100) * longest;
    const factor = Math.max(1, Math.floor(wanted / blur.pixels));
    const size = [Math.max(1, Math.floor(frame.height / factor)), Math.max(1, Math.floor(frame.width / factor))];
    const sigma = Math.max(wanted / factor, 1e-3);
    const radius = Math.ceil(4 * sigma);
    const source = size[0] <= large.height ? large : frame;
    const values = this.#shrink('values', ...size, source, {alpha});
    const sums = this.#target('sums', ...size, glsl.halfFloats ? HALVES : BYTES);
    // In bytes less than one step is nothing, and nothing must not be divided by.
    const least = glsl.halfFloats ? blur.floor : 2 / 255;
    glsl.draw('blur', sums, {values, direction: [1, 0], radius, sigma, least});
    const blurred = this.#target('blurred', ...size);
    glsl.draw('blur', blurred, {values: sums, direction: [0, 1], radius, sigma, least});
    return blurred;
  }

  #covered() {
    const {frame, picture} = this;
    const fits = this.covered?.height === frame.height && this.covered?.width === frame.width;
    if (!fits) {
      const crop = cover(picture.height, picture.width, frame.height, frame.width);
      this.covered = this.#shrink('covered', frame.height, frame.width, picture, {crop});
    }
    return this.covered;
  }
}
