// Times the page's engine and MediaPipe's web task on the same frames, taking turns. Called by speed.py.

import {FilesetResolver, ImageSegmenter} from '@mediapipe/tasks-vision';
import {createSegmenter, View} from 'portraitnet-web';

const element = (id) => document.getElementById(id);
const address = (path) => new URL(path, document.baseURI).href;
const FRAMES = 12; // different pictures of the clip
const COLOUR = [0.1, 0.5, 0.35];

/** A moving person before a room, drawn: what is in a frame does not change the time. */
async function makeClip(width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  const frames = [];
  for (let i = 0; i < FRAMES; i++) {
    context.fillStyle = '#b5a58c';
    context.fillRect(0, 0, width, height);
    for (let j = 0; j < 40; j++) {
      context.fillStyle = `hsl(${(j * 47) % 360} 40% 50%)`;
      context.fillRect(((j * 97) % 100) * width / 100, ((j * 31) % 100) * height / 100, width / 15, height / 9);
    }
    context.fillStyle = '#c68d68';
    context.beginPath();
    context.ellipse(width * (0.5 + 0.01 * i), height * 0.38, height * 0.16, height * 0.22, 0, 0, 7);
    context.fill();
    context.fillStyle = '#31486b';
    context.beginPath();
    context.ellipse(width * (0.5 + 0.01 * i), height * 1.05, height * 0.42, height * 0.5, 0, 0, 7);
    context.fill();
    frames.push(await createImageBitmap(canvas));
  }
  return frames;
}

/** The page's engine with one model: `frame` draws one, and gives milliseconds by stage. */
async function ours(model, background) {
  const canvas = document.createElement('canvas');
  const segmenter = await createSegmenter(model);
  const view = await View.create(canvas, segmenter);
  await view.set({background, timed: true});
  let drawn = null;
  view.onDrawn = (facts) => (drawn = facts.times);
  const frame = async (bitmap) => {
    await view.frame(bitmap);
    return drawn;
  };
  const label = `${model.name}, ${background.kind}`;
  const detail = () => `${segmenter.way.label}; ${view.abilities.kind} on the ${view.abilities.place}`;
  return {label, detail, frame, close: () => segmenter.close()};
}

/** MediaPipe's web task, composed as its samples do: the mask into a canvas, the person over a colour. */
async function mediapipe(model) {
  const files = {
    wasmLoaderPath: address(`${__MEDIAPIPE__}vision_wasm_internal.js`),
    wasmBinaryPath: address(`${__MEDIAPIPE__}vision_wasm_internal.wasm`),
  };
  const task = await ImageSegmenter.createFromOptions(files, {
    baseOptions: {modelAssetPath: address(model.url), delegate: 'CPU'},
    runningMode: 'VIDEO', outputCategoryMask: false, outputConfidenceMasks: true,
    canvas: document.createElement('canvas'), // its own is an OffscreenCanvas, which has no WebGL in every engine
  });
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  const small = document.createElement('canvas');
  const mask = small.getContext('2d');
  let now = 1;
  const frame = async (bitmap) => {
    const began = performance.now();
    const result = task.segmentForVideo(bitmap, (now += 33));
    const shares = result.confidenceMasks.at(-1);
    const values = shares.getAsFloat32Array();
    const inferred = performance.now();
    if (small.width !== shares.width) Object.assign(small, {width: shares.width, height: shares.height});
    if (canvas.width !== bitmap.width) Object.assign(canvas, {width: bitmap.width, height: bitmap.height});
    const image = mask.createImageData(small.width, small.height);
    for (let i = 0; i < values.length; i++) image.data[4 * i + 3] = 255 * values[i];
    mask.putImageData(image, 0, 0);
    context.globalCompositeOperation = 'copy';
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = 'source-in';
    context.drawImage(bitmap, 0, 0);
    context.globalCompositeOperation = 'destination-over';
    context.fillStyle = '#1a8059';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.getImageData(0, 0, 1, 1); // until it is drawn, as ours
    result.close();
    return {model: inferred - began, compose: performance.now() - inferred, all: performance.now() - began};
  };
  return {label: `MediaPipe ${model.name}`, detail: () => 'tasks-vision, CPU delegate, 2D canvas', frame, close: () => task.close()};
}

/** Rounds in which every contestant draws the same frames; gives [{label, detail, rounds: [{all, model, compose}]}]. */
async function run({models, peer, width, height, rounds, frames}) {
  const clip = await makeClip(width, height);
  const contestants = [];
  const refused = [];
  const add = async (label, open) => {
    try {
      const contestant = await open();
      for (const bitmap of clip) await contestant.frame(await createImageBitmap(bitmap)); // it warms up, and ours finds what draws
      contestants.push({...contestant, rounds: []});
    } catch (error) {
      refused.push({label, error: String(error?.message ?? error)});
    }
  };
  for (const model of models) {
    for (const background of [{kind: 'colour', rgb: COLOUR}, {kind: 'blur', strength: 2}]) await add(model.name, () => ours(model, background));
  }
  if (peer) await add('MediaPipe', () => mediapipe(peer));
  for (let round = 0; round <= rounds; round++) {
    for (const one of contestants) {
      const sums = {model: 0, compose: 0, all: 0};
      const began = performance.now();
      for (let i = 0; i < frames; i++) {
        const fresh = await createImageBitmap(clip[i % clip.length]); // as from a camera: nothing of it is cached
        const times = await one.frame(fresh);
        fresh.close();
        for (const name of Object.keys(sums)) sums[name] += times[name] / frames;
      }
      if (round) one.rounds.push({...sums, frame: (performance.now() - began) / frames}); // the first is warm-up
    }
    element('status').textContent = `${round} of ${rounds}`;
  }
  contestants.forEach((one) => one.close());
  const read = contestants.map(({label, detail, rounds}) => ({label, detail: detail(), rounds}));
  return {contestants: read, refused, agent: navigator.userAgent};
}

window.speed = {run};
element('status').textContent = 'ready';
