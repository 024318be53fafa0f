// What the visitor keeps: a photo, a recording, or either of them shared.

import {text} from './language.js';

const TYPES = ['video/mp4;codecs=avc1.42E01E', 'video/mp4', 'video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm'];

function download(blob, name) {
  const link = Object.assign(document.createElement('a'), {download: name, href: URL.createObjectURL(blob)});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The canvas as a PNG file. */
export async function photoOf(canvas) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  return new File([blob], 'portrait.png', {type: 'image/png'});
}

export async function savePhoto(canvas) {
  const file = await photoOf(canvas);
  download(file, file.name);
  return text('saved', {name: file.name});
}

/** Whether this browser can share files. */
export const canShare = () =>
  Boolean(navigator.canShare?.({files: [new File([''], 'portrait.png', {type: 'image/png'})]}));

/** Share a file by the system's own dialog; what the visitor calls off is no error. */
export async function share(file) {
  try {
    await navigator.share({files: [file]});
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
}

/** The kind of video that is recorded here; undefined where none is. */
export const recordingType = () =>
  typeof MediaRecorder === 'function' && HTMLCanvasElement.prototype.captureStream
    ? TYPES.find((type) => MediaRecorder.isTypeSupported(type)) : undefined;

export class Recording {
  #parts = [];

  /** Begin to record the canvas, without sound. */
  constructor(canvas) {
    this.type = recordingType();
    this.stream = canvas.captureStream();
    this.recorder = new MediaRecorder(this.stream, {mimeType: this.type, videoBitsPerSecond: 8e6});
    this.recorder.addEventListener('dataavailable', ({data}) => this.#parts.push(data));
    this.recorder.start(1000); // in parts, so that an end in the middle leaves what was recorded
  }

  /** End it, and give the file. */
  async end() {
    const ended = new Promise((resolve) => this.recorder.addEventListener('stop', resolve, {once: true}));
    if (this.recorder.state !== 'inactive') this.recorder.stop();
    else return null;
    await ended;
    for (const track of this.stream.getTracks()) track.stop();
    const ending = this.type.startsWith('video/mp4') ? 'mp4' : 'webm';
    const file = new File(this.#parts, `portrait.${ending}`, {type: this.type.split(';')[0]});
    download(file, file.name);
    return file;
  }
}
