// Photographs and videos from files: opened in bounded memory, with an error that has a line to show.

import {text} from './language.js';

const MOST_PIXELS = 4096 * 4096; // what canvases of phones take

/** A line for the visitor. */
export class Problem extends Error {}

/** A photograph as an ImageBitmap that the canvas can hold; `shrunk` tells whether it is smaller than the file's. */
export async function openPhoto(file, largest) {
  let whole;
  try {
    whole = await createImageBitmap(file, {imageOrientation: 'from-image'});
  } catch (error) {
    const known = await sizeOf(file);
    throw new Problem(text(known ? 'tooLarge' : 'notMedia', {name: file.name}), {cause: error});
  }
  const {height, width} = whole;
  const scale = Math.min(1, largest / Math.max(height, width), Math.sqrt(MOST_PIXELS / (height * width)));
  if (scale === 1) return {still: whole, shrunk: false};
  const size = {resizeHeight: Math.max(1, Math.floor(height * scale)), resizeWidth: Math.max(1, Math.floor(width * scale))};
  try {
    return {still: await createImageBitmap(whole, {...size, resizeQuality: 'high'}), shrunk: true};
  } finally {
    whole.close();
  }
}

/** Whether the browser knows the file as a picture, though it may be too large for it. */
async function sizeOf(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    return await new Promise((resolve) => {
      image.onload = () => resolve(image.naturalWidth > 0);
      image.onerror = () => resolve(false);
    });
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** A playing, silent, repeating video. */
export async function openVideo(file) {
  const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true, loop: true});
  video.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      video.onloadeddata = resolve;
      video.onloadedmetadata = () => video.videoWidth || reject(new Problem(text('noFrames', {name: file.name})));
      video.onerror = () => reject(new Problem(text('notMedia', {name: file.name})));
    });
    await video.play();
    return video;
  } catch (error) {
    URL.revokeObjectURL(video.src);
    if (error instanceof Problem) throw error;
    throw new Problem(text('notMedia', {name: file.name}), {cause: error});
  }
}

/** Whether a file is a video by what the browser says of it, or by its name. */
export const isVideo = (file) => file.type.startsWith('video/') || /\.(mp4|mov|m4v|webm|mkv)$/i.test(file.name);

/** A picture that the page brings, as an ImageBitmap. */
export async function openShipped(url) {
  return createImageBitmap(await (await fetch(url)).blob());
}
