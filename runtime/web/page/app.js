// The page: controls around a view (see ../engine). Pictures never leave this device.

import {createSegmenter, View} from 'portraitnet-web';
import {Backgrounds} from './backgrounds.js';
import {Camera} from './camera.js';
import {isVideo, openPhoto, openVideo, Problem} from './files.js';
import {canShare, photoOf, Recording, recordingType, savePhoto, share} from './keep.js';
import {preferred, text, use} from './language.js';
import {keepOffline} from './offline.js';

const element = (id) => document.getElementById(id);
const settings = Object.fromEntries(new URLSearchParams(location.hash.slice(1))); // for tests: #only2d, #moving, #onPage, #stall, #patience
const stages = {};

let models = [];
let segmenter = null;
let view = null;
let source = null; // {still} | {video} | {camera}
let recording = null;
let lastRecording = null;

function say(key, values = {}, wrong = false) {
  element('status').textContent = values instanceof Problem ? values.message : text(key, values);
  element('status').classList.toggle('error', wrong);
}

const fail = (key, values) => say(key, values, true);
const failWith = (error) => fail('frameFailed', error instanceof Problem ? error : {error: error.message});

const camera = new Camera((devices, current) => {
  element('device').replaceChildren(...devices.map(({deviceId, label}) => new Option(label, deviceId, false, deviceId === current)));
  element('cameras').hidden = element('swap').hidden = devices.length < 2;
});

async function cameraEnded() {
  await stopSource();
  fail('unplugged');
}

const backgrounds = new Backgrounds(element('backgrounds'), async (background, drawable = null) => {
  element('stage').classList.toggle('transparent', background.kind === 'none');
  if (drawable && view) await view.setPicture(drawable);
  await look({background});
}, (error) => failWith(error));

async function look(changes) {
  await view?.set(changes);
}

/** Before and after only to look at: it never gets into what is saved, shared or recorded. */
const split = () => (element('compare').hidden ? 0 : element('compare').valueAsNumber / 100);

function allLooks() {
  return {
    smooth: element('smooth').checked, refine: element('refine').checked, wrap: element('wrap').valueAsNumber,
    mirror: element('mirror').checked && Boolean(source?.camera), split: split(),
  };
}

function drawn({alpha, box, times}) {
  const now = performance.now();
  const rate = 1000 / (now - (drawn.last ?? now));
  drawn.last = now;
  for (const [name, value] of Object.entries({...times, rate})) {
    const values = (stages[name] ??= []);
    values.push(value);
    if (values.length > 30) values.shift();
  }
  const median = (name) => [...(stages[name] ?? [0])].sort((a, b) => a - b)[(stages[name]?.length ?? 1) >> 1];
  const {kind, place, refine, slowness} = view.abilities;
  const reason = slowness ? `: WebGL2 takes ${slowness.toFixed(0)} ms a frame` : '';
  const moving = source && !source.still ? `${median('rate').toFixed(0)} fps  ` : '';
  element('statistics').textContent =
    `${moving}model ${median('model').toFixed(1)} ms  compose ${median('compose').toFixed(1)} ms\n` +
    `${segmenter.way.label}\n${kind} on the ${place}${reason}${refine ? '' : ', no fine edges'}` +
    segmenter.failed.map(({way, error}) => `\nnot ${way}: ${error}`).join('');
  window.portraitnet = {
    alpha, box, times, frames: (window.portraitnet?.frames ?? 0) + 1, modelRuns: (window.portraitnet?.modelRuns ?? 0) + (times.model === drawn.model ? 0 : 1),
    processor: segmenter.way.label, whole: segmenter.whole, failed: segmenter.failed, abilities: view.abilities, features: segmenter.features,
    loseContext: () => view.loseContext(),
  };
  drawn.model = times.model;
  element('empty').hidden = true;
  for (const id of ['save', 'share', 'both']) element(id).disabled = false;
  element('record').disabled = Boolean(source?.still);
}

async function stopSource() {
  await endRecording();
  camera.stop();
  view?.stop();
  source?.video?.pause();
  if (source?.video) URL.revokeObjectURL(source.video.src);
  source?.still?.close();
  source = null;
  element('camera').textContent = text('camera');
  element('record').disabled = true;
}

async function startCamera(wanted = {}) {
  try {
    if (source?.camera) await stopSource(); // phones open one camera at a time
    const track = await camera.start(wanted);
    await stopSource();
    camera.take(track);
    source = {camera};
    await look(allLooks());
    element('camera').textContent = text('cameraStop');
    say('live');
    await view.follow(track);
  } catch (error) {
    fail(...Camera.reason(error));
  }
}

async function open(file) {
  try {
    if (isVideo(file)) {
      const video = await openVideo(file);
      await stopSource();
      source = {video};
      await look(allLooks());
      say('opened', {name: file.name});
      view.play(video);
    } else {
      const {still, shrunk} = await openPhoto(file, view.abilities.largest);
      await stopSource();
      source = {still};
      await look(allLooks());
      await view.show(still);
      say(shrunk ? 'shrunk' : 'opened', {name: file.name, width: still.width, height: still.height});
    }
  } catch (error) {
    failWith(error);
  }
}

const sizeOf = ({width, height}) => `${width}x${height}`;

function describeModel() {
  const model = models[element('model').selectedIndex];
  const known = ['nano', 'small', 'mobile', 'large'].find((name) => model?.name === `portraitnet-${name}`);
  element('about').textContent = model ? text(`about-${known ?? 'other'}`, {size: sizeOf(model)}) : '';
}

let choosing = Promise.resolve();
/** Open the chosen model; one that cannot be had leaves the one before. */
function chooseModel() {
  choosing = choosing.then(async () => {
    const choice = element('model');
    const model = models[choice.selectedIndex];
    const onGpu = element('processor').value === 'gpu';
    describeModel();
    const before = segmenter;
    const onProgress = (share) => {
      element('progress').value = 100 * share;
      if (share < 1) say('loadingModel', {name: model.name, percent: Math.floor(100 * share)});
      else say('starting', {name: model.name});
    };
    element('progress').hidden = false;
    try {
      const opened = await createSegmenter(model, {onGpu, onProgress, patience: settings.patience});
      await useSegmenter(opened);
      before?.close();
      const refused = onGpu && !segmenter.way.label.startsWith('WebGPU');
      say(refused ? 'notOnGpu' : 'ready', {name: model.name, size: sizeOf(model), way: segmenter.way.label});
    } catch (error) {
      if (before) {
        choice.selectedIndex = models.indexOf(before.model);
        describeModel();
        fail('goesOn', {name: model.name, error: error.message, before: before.model.name});
      } else fail(/lacks WebAssembly/.test(error.message) ? 'tooOld' : 'notLoaded', {error: error.message});
    } finally {
      element('progress').hidden = true;
    }
  });
  return choosing;
}

/** Draw with another model from now on. */
async function useSegmenter(opened) {
  const next = await View.create(element('view'), opened, settings);
  view?.stop();
  segmenter = opened;
  view = Object.assign(next, {
    onDrawn: drawn, onError: failWith, onEnd: cameraEnded, onStall: (stalled) => (stalled ? fail('stalled') : say('live')),
  });
  for (const id of ['wrap', 'refine']) element(id).disabled = !view.abilities[id];
  element('camera').disabled = element('file').disabled = false;
  await view.set(allLooks());
  await backgrounds.apply();
  if (source?.still) await view.show(source.still);
  else if (source?.video) view.play(source.video);
  else if (source?.camera) await view.follow(camera.again());
}

async function endRecording() {
  if (!recording) return;
  const ending = recording;
  recording = null;
  element('record').textContent = text('record');
  element('record').setAttribute('aria-pressed', 'false');
  lastRecording = await ending.end();
  if (lastRecording) say('recorded');
}

async function toggleRecording() {
  if (recording) return endRecording();
  await compare(false);
  recording = new Recording(element('view'));
  element('record').textContent = text('recordStop');
  element('record').setAttribute('aria-pressed', 'true');
  say('recording');
}

async function compare(wanted) {
  element('compare').hidden = !wanted;
  element('both').setAttribute('aria-pressed', String(wanted));
  await look({split: split()});
}

/** Do what keeps the canvas, without the half that shows the room. */
async function withoutComparison(action) {
  const before = split();
  try {
    if (before) await look({split: 0});
    if (before && !source?.still) await new Promise((resolve) => setTimeout(resolve, 200)); // the next frame
    const said = await action(element('view'));
    if (said) say('', new Problem(said));
  } catch (error) {
    failWith(error);
  } finally {
    if (before) await look({split: before});
  }
}

function connectControls() {
  element('camera').addEventListener('click', async () => {
    if (!source?.camera) return startCamera();
    await stopSource();
    say('off');
  });
  element('file').addEventListener('change', ({target}) => target.files[0] && open(target.files[0]));
  element('open').addEventListener('keydown', ({key}) => [' ', 'Enter'].includes(key) && element('file').click());
  element('device').addEventListener('change', ({target}) => startCamera({deviceId: target.value}));
  element('swap').addEventListener('click', () => startCamera({other: true}));
  for (const id of ['model', 'processor']) element(id).addEventListener('change', chooseModel);
  element('show').addEventListener('change', ({target}) => (element('statistics').hidden = !target.checked));
  for (const id of ['smooth', 'refine', 'mirror', 'wrap']) element(id).addEventListener('input', () => look(allLooks()));
  element('strength').addEventListener('input', ({target}) => {
    backgrounds.strength = target.valueAsNumber;
    if (backgrounds.chosen === 'blur') backgrounds.apply();
  });
  element('both').addEventListener('click', () => compare(element('compare').hidden));
  element('compare').addEventListener('input', () => look({split: split()}));
  element('save').addEventListener('click', () => withoutComparison(savePhoto));
  element('share').hidden = !canShare();
  element('share').addEventListener('click', () =>
    withoutComparison(async (canvas) => share(lastRecording ?? (await photoOf(canvas)))));
  element('record').hidden = !recordingType();
  element('record').addEventListener('click', () => toggleRecording().catch(failWith));
  element('full').hidden = !document.fullscreenEnabled;
  element('full').addEventListener('click', () =>
    document.fullscreenElement ? document.exitFullscreen() : element('stage').requestFullscreen());
  element('language').addEventListener('change', ({target}) => {
    localStorage.setItem('language', target.value);
    use(target.value);
    backgrounds.translate();
    describeModel();
  });
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    element('stage').addEventListener(kind, (event) => {
      event.preventDefault();
      element('stage').classList.toggle('dropping', kind === 'dragover');
      if (kind === 'drop' && view && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
    });
  }
}

async function begin() {
  element('language').value = preferred();
  use(preferred());
  backgrounds.translate();
  connectControls();
  try {
    models = await (await fetch('models.json')).json();
  } catch (error) {
    return fail('notLoaded', {error: error.message});
  }
  for (const model of models) element('model').append(new Option(model.name));
  element('processors').hidden = !navigator.gpu;
  await chooseModel();
  if (segmenter) element('offline').textContent = await keepOffline();
}

begin();
