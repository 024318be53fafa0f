// The worker: it owns the model and, where WebGL2 is to be had here, the canvas. Speaks by messages (see messages.js).

import {answer} from './messages.js';
import {Renderer} from './renderer.js';
import {Model} from './runtime.js';

let model = null;
let facts = null;
let renderer = null;
let look = {background: {kind: 'none'}};
let lastFrame = 0;
let busy = false;

const makeCanvas = () => new OffscreenCanvas(1, 1);

const actions = {
  /** Compile a model in one way; throws when that way fails. */
  async open({bytes, model: described, way, folder}) {
    const onThreads = () => self.postMessage({event: 'threads'});
    model = await Model.open(new Uint8Array(bytes), described, way, folder, onThreads);
    facts = described;
    return {whole: model.whole};
  },

  /** Alpha of RGBA bytes, for those who draw themselves. */
  async segment({pixels}) {
    const alpha = await model.alpha(pixels);
    return {result: alpha, transfer: [alpha.buffer]};
  },

  /** Begin to draw here; null where workers have no WebGL2, so that the page must. */
  canDraw(settings) {
    const onLost = () => self.postMessage({event: 'lost'});
    renderer = new Renderer(makeCanvas, facts, (pixels) => model.alpha(pixels), {...settings, onLost});
    if (renderer.abilities.kind === 'WebGL2' || settings.only2d) return renderer.abilities;
    renderer = null;
    return null;
  },

  look(wanted) {
    look = wanted;
  },

  reset() {
    renderer?.reset();
  },

  picture({source, height, width}) {
    const before = renderer.picture?.[0];
    renderer.setPicture(source, height, width);
    before?.close();
  },

  /** Draw one picture, an ImageBitmap that is closed after; without one, the last again. */
  async draw({source, height, width, seconds, moving}) {
    const drawn = await draw(source, height, width, seconds, moving);
    source?.close();
    return {result: drawn, transfer: [drawn.bitmap]};
  },

  /** Take frames from a camera's stream or track until it ends; each is posted when it is drawn. */
  async follow({readable, track}) {
    if (track && typeof MediaStreamTrackProcessor !== 'function') return false;
    const frames = (readable ?? new MediaStreamTrackProcessor({track}).readable).getReader();
    following(frames);
    return true;
  },

  /** For tests: take the GPU away, as drivers do. */
  loseContext() {
    renderer.compositor.glsl?.gl.getExtension('WEBGL_lose_context').loseContext();
  },
};

async function draw(source, height, width, seconds, moving) {
  busy = true;
  try {
    const elapsed = seconds - lastFrame;
    if (source) lastFrame = seconds;
    const drawn = await renderer.draw(source, height, width, {...look, moving, smooth: look.smooth && moving, elapsed});
    const {recovered, abilities} = renderer;
    return {...drawn, recovered, abilities, bitmap: renderer.canvas.transferToImageBitmap()};
  } finally {
    busy = false;
  }
}

async function following(frames) {
  for (;;) {
    const {value: frame, done} = await frames.read();
    if (done) return;
    try {
      if (busy) continue; // the newest frame wins
      const drawn = await draw(frame, frame.displayHeight, frame.displayWidth, frame.timestamp / 1e6, true);
      self.postMessage({event: 'drawn', value: drawn}, [drawn.bitmap]);
    } catch (error) {
      self.postMessage({event: 'failed', value: String(error.message ?? error)});
    } finally {
      frame.close();
    }
  }
}

answer(self, actions);
