// The page: a camera or a dropped file, through the model, onto the canvas.

import {AlphaSmoother} from './smoothing.js';
import {Compositor} from './composite.js';
import {Segmenter} from './segmenter.js';

const element = (id) => document.getElementById(id);
const compositor = new Compositor(element('view'));
const smoother = new AlphaSmoother();
const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true, loop: true});
const stages = {inference: [], composite: [], frame: []};

let segmenter = null;
let models = [];
let ownPicture = null; // {drawable, tall, wide}: the background that was chosen last
let still = null; // the photo that is shown, when it is not the video
let stream = null;
let lastFrame = 0;
let busy = false;

const say = (text, wrong = false) => {
  element('status').textContent = text;
  element('status').classList.toggle('error', wrong);
};

function background(height) {
  const chosen = document.querySelector('input[name=background]:checked').value;
  if (chosen === 'blur') return {kind: 'blur', radius: (element('strength').valueAsNumber * height) / 720};
  if (chosen === 'none') return {kind: 'none'};
  if (chosen === 'picture' && ownPicture) return {kind: 'picture', ...ownPicture};
  return {kind: 'colour', colour: chosen === 'picture' ? '#208060' : chosen};
}

async function show(drawable, height, width, smooth) {
  const began = performance.now();
  let {alpha, box} = await segmenter.alpha(drawable, height, width);
  const inferred = performance.now();
  if (smooth) alpha = smoother.apply(alpha, (began - lastFrame) / 1000);
  const mirror = element('mirror').checked && Boolean(stream);
  compositor.draw(drawable, height, width, alpha, segmenter.height, segmenter.width, box, background(height), mirror);
  count(inferred - began, performance.now() - inferred, began - lastFrame);
  lastFrame = began;
  window.portraitnet = {alpha, box, frames: (window.portraitnet?.frames ?? 0) + 1, processor: segmenter.processor};
  element('save').disabled = false;
}

function count(inference, composite, frame) {
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  for (const [name, value] of Object.entries({inference, composite, frame})) {
    stages[name].push(value);
    if (stages[name].length > 30) stages[name].shift();
  }
  const rate = stream || !video.paused ? `${(1000 / median(stages.frame)).toFixed(0)} fps   ` : '';
  element('statistics').textContent =
    `${rate}model ${median(stages.inference).toFixed(1)} ms   ` +
    `composite ${median(stages.composite).toFixed(1)} ms   ${segmenter.processor}`;
}

/** One video frame, then the next: the newest wins, because the next is only asked for when this one is done. */
async function nextFrame() {
  if (video.paused || !video.videoWidth || !segmenter) return;
  try {
    busy = true;
    // The very frame that is inferred on is the one that is shown.
    const frame = await createImageBitmap(video);
    await show(frame, frame.height, frame.width, element('smooth').checked);
    frame.close();
  } catch (error) {
    say(`The model stopped: ${error.message}. Reload the page to begin again.`, true);
    return;
  } finally {
    busy = false;
  }
  video.requestVideoFrameCallback(nextFrame);
}

async function redraw() {
  if (still && segmenter && !busy) await show(still, still.height, still.width, false);
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  still = null;
  video.pause();
  video.srcObject = null;
  smoother.reset();
  element('camera').textContent = 'Start the camera';
}

async function startCamera() {
  if (stream) {
    stop();
    say('The camera is off.');
    return;
  }
  if (!navigator.mediaDevices) {
    say('Browsers give pages a camera only over https, or on this computer itself (http://127.0.0.1).', true);
    return;
  }
  try {
    const opened = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}, height: {ideal: 720}}});
    stop();
    stream = opened;
    video.srcObject = stream;
    await video.play();
    element('camera').textContent = 'Stop the camera';
    say('Live. Nothing is recorded, and nothing is sent.');
    video.requestVideoFrameCallback(nextFrame);
  } catch (error) {
    const reasons = {
      NotAllowedError: 'The camera was not allowed. Allow it in the address bar, or open a photo or a video instead.',
      NotFoundError: 'There is no camera here. Open a photo or a video instead.',
      NotReadableError: 'Another program has the camera. Close it, then start the camera again.',
    };
    say(reasons[error.name] ?? `The camera could not be started: ${error.message}`, true);
  }
}

async function open(file) {
  stop();
  try {
    if (file.type.startsWith('video/')) {
      video.src = URL.createObjectURL(file);
      await video.play();
      video.requestVideoFrameCallback(nextFrame);
    } else {
      still = await createImageBitmap(file, {imageOrientation: 'from-image'});
      await redraw();
    }
    say(`${file.name}: it was opened here, not sent anywhere.`);
  } catch {
    say(`${file.name} is no picture or video that this browser can open.`, true);
  }
}

/** A picture, or a clip that plays again and again without its sound. */
async function openBackground(file) {
  if (!file.type.startsWith('video/')) {
    const drawable = await createImageBitmap(file, {imageOrientation: 'from-image'});
    return {drawable, tall: drawable.height, wide: drawable.width};
  }
  const clip = Object.assign(document.createElement('video'), {muted: true, playsInline: true, loop: true});
  clip.src = URL.createObjectURL(file);
  await clip.play();
  return {drawable: clip, tall: clip.videoHeight, wide: clip.videoWidth};
}

/** Behind a still nothing else asks for the clip's next frame. */
async function playBehindStill(clip) {
  if (ownPicture?.drawable !== clip) return clip.pause();
  if (element('own').checked) await redraw();
  clip.requestVideoFrameCallback(() => playBehindStill(clip));
}

async function chooseModel() {
  const choice = element('model');
  const model = models[choice.selectedIndex];
  const onGpu = element('processor').value === 'gpu';
  say(`Loading ${model.name} …`);
  const before = segmenter;
  try {
    segmenter = await Segmenter.open(model, onGpu);
  } catch (error) {
    if (!before) throw error;
    choice.selectedIndex = models.indexOf(before.model); // without a network, say
    say(`${model.name} could not be loaded (${error.message}); ${before.model.name} goes on.`, true);
    return;
  }
  while (busy) await new Promise((done) => setTimeout(done, 10)); // the last frame that it was asked about
  before?.close();
  smoother.reset();
  for (const id of ['camera', 'file']) element(id).disabled = false;
  const refused = onGpu && segmenter.processor !== 'GPU';
  const where = refused ? `${segmenter.processor}: this model does not run on the GPU` : segmenter.processor;
  say(`${model.name} is ready (${model.height}x${model.width}, ${where}).`);
  await redraw();
}

/** Let the page work without a network from now on, and be installed: keep everything that it has loaded. */
async function keepOffline() {
  if (!navigator.serviceWorker) return; // over plain http from another computer
  await navigator.serviceWorker.register('sw.js');
  const loaded = performance.getEntriesByType('resource').map((entry) => entry.name);
  const own = [document.baseURI, ...loaded].filter((name) => name.startsWith(location.origin));
  await (await caches.open('portraitnet-1')).addAll([...new Set(own)]);
}

async function begin() {
  if (typeof WebAssembly !== 'object' || typeof OffscreenCanvas !== 'function') {
    say('This browser is too old for the model: it lacks WebAssembly or OffscreenCanvas. Use a current one.', true);
    return;
  }
  try {
    models = await (await fetch('models.json')).json();
    for (const model of models) element('model').append(new Option(model.name));
    element('processor').parentElement.hidden = !navigator.gpu;
    await chooseModel();
    keepOffline().catch(() => {}); // the page works all the same
  } catch (error) {
    say(`The model could not be loaded: ${error.message}. WebAssembly with SIMD is needed; reload to try again.`, true);
  }
}

element('camera').addEventListener('click', startCamera);
element('file').addEventListener('change', (event) => event.target.files[0] && open(event.target.files[0]));
for (const id of ['model', 'processor']) element(id).addEventListener('change', chooseModel);
element('show').addEventListener('change', (event) => (element('statistics').hidden = !event.target.checked));
element('controls').addEventListener('input', redraw);
element('picture').addEventListener('change', async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const opened = await openBackground(file).catch(() => null);
  if (!opened) return say(`${file.name} is no picture or video that this browser can open.`, true);
  ownPicture = opened;
  element('own').disabled = false;
  element('own').checked = true;
  await redraw();
  if (opened.drawable instanceof HTMLVideoElement) playBehindStill(opened.drawable);
});
element('save').addEventListener('click', async () => {
  const link = Object.assign(document.createElement('a'), {download: 'portrait.png'});
  link.href = URL.createObjectURL(await compositor.cutOut());
  link.click();
  URL.revokeObjectURL(link.href);
});
for (const kind of ['dragover', 'dragleave', 'drop']) {
  element('stage').addEventListener(kind, (event) => {
    event.preventDefault();
    element('stage').classList.toggle('dropping', kind === 'dragover');
    if (kind === 'drop' && segmenter && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
begin();
