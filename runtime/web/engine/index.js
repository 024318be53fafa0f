// Backgrounds of people, replaced in the browser: the model in a worker, the drawing on the GPU, nothing sent anywhere.

import {createSegmenter} from './segmenter.js';
import {View} from './view.js';

export {createSegmenter} from './segmenter.js';
export {View} from './view.js';
export {features, waysToRun} from './features.js';
export {fit} from './letterbox.js';
export {Renderer} from './renderer.js';
export {AlphaSmoother} from './smoothing.js';
export {Choice} from './choice.js';
export {withoutHalves} from './weights.js';

/** "#208060" -> [0.125, 0.5, 0.376]. */
export function rgb(colour) {
  const number = Number.parseInt(colour.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255].map((value) => value / 255);
}

/**
 * A camera's track with its background replaced, as a track of its own for a video call or a recorder.
 *
 * Options: `model` (as in models.json) or `segmenter`, and any of a look's {background, mirror, smooth, refine, wrap};
 * `picture` is a drawable for `background: {kind: 'picture'}`. `viewOf(track)` gives the view, to change the look later.
 */
export async function createBackgroundProcessor(track, {model, segmenter, picture, frameRate, ...look}) {
  const own = segmenter ? null : await createSegmenter(model);
  const canvas = document.createElement('canvas');
  const {width = 640, height = 480} = track.getSettings?.() ?? {};
  Object.assign(canvas, {width, height});
  const view = await View.create(canvas, segmenter ?? own);
  if (picture) await view.setPicture(picture);
  await view.set(look);
  const stream = frameRate ? canvas.captureStream(frameRate) : canvas.captureStream();
  const [processed] = stream.getVideoTracks();
  views.set(processed, view);
  const stop = processed.stop.bind(processed);
  processed.stop = () => {
    view.stop();
    own?.close();
    stop();
  };
  view.onEnd = () => {
    processed.stop();
    processed.dispatchEvent(new Event('ended')); // `stop` alone tells nobody
  };
  await view.follow(track);
  return processed;
}

const views = new WeakMap();

/** The view behind a track of `createBackgroundProcessor`: `viewOf(track).set({background: ...})`. */
export const viewOf = (track) => views.get(track);
