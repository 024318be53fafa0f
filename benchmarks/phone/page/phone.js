// Times models in this browser: every contestant takes one turn in each round, and the rounds go back as they are.

import * as LiteRt from '@litertjs/core';
import {features, withoutHalves} from 'portraitnet-web';

const WARMUP = 5;
const element = (id) => document.getElementById(id);
const address = (path) => new URL(path, document.baseURI).href;
const facts = {
  userAgent: navigator.userAgent,
  secure: self.isSecureContext,
  isolated: self.crossOriginIsolated,
  cores: navigator.hardwareConcurrency || 1,
  adapter: '', // the GPU's name
  device: '', // what the browser says when it is asked
};

let can = {}; // what this browser offers, see features.js
const refused = []; // what could not be opened

const say = (text, wrong = false) => {
  element('status').textContent = text;
  element('status').classList.toggle('error', wrong);
};

/** Thread counts to try: 1, 2, 4 ... up to the cores; one where the page is not isolated. LiteRT wants relaxed SIMD too. */
function threadCounts(engine) {
  if (!can.threads || (engine === 'litert' && !can.relaxedSimd)) return [1];
  return [1, 2, 4, 8].filter((count) => count <= Math.max(1, facts.cores));
}

function noise(model, bytes) {
  const pixels = new (bytes ? Uint8Array : Float32Array)(3 * model.height * model.width);
  for (let i = 0; i < pixels.length; i++) pixels[i] = Math.floor(256 * Math.random());
  return pixels;
}

const counted = (threads) => `${threads} thread${threads === 1 ? '' : 's'}`;

/** Every way in which this browser may run a model, each with `open`, which gives a function that runs it once. */
function contestantsOf(model) {
  if (model.format === 'onnx') {
    const threads = threadCounts('ort').at(-1);
    return [{model, engine: 'ort-wasm', label: `onnxruntime-web, ${counted(threads)}`, threads, open: () => openOrt(model, threads)}];
  }
  const cpu = threadCounts('litert').map((threads) => ({
    model, engine: 'litert-wasm', label: `LiteRT.js, ${counted(threads)}`, threads, open: () => openLiteRt(model, 'wasm', threads),
  }));
  if (!facts.adapter) return cpu;
  return [...cpu, {model, engine: 'litert-webgpu', label: 'LiteRT.js, WebGPU', threads: 1, open: () => openLiteRt(model, 'webgpu', 1)}];
}

async function openLiteRt(model, accelerator, threads) {
  const options = accelerator === 'wasm' ? {accelerator, cpuOptions: {numThreads: threads}} : {accelerator};
  const bytes = new Uint8Array(await (await fetch(address(model.url))).arrayBuffer());
  // As the live page opens it: LiteRT.js runs fp16 weights by its slow kernels.
  const compiled = await LiteRt.loadAndCompile(accelerator === 'wasm' ? withoutHalves(bytes) : bytes, options);
  const pixels = noise(model, compiled.getInputDetails()[0].dtype === 'uint8');
  const accelerated = accelerator === 'webgpu' ? compiled.isFullyAccelerated : undefined;
  const run = async () => {
    const input = new LiteRt.Tensor(pixels, [1, model.height, model.width, 3]);
    const [output] = await compiled.run(input);
    await output.data(); // on a GPU the result must have come back
    output.delete();
    input.delete();
  };
  return {run, accelerated, close: () => compiled.delete()};
}

let ort = null;
async function openOrt(model, threads) {
  ort ??= await import(address(`${__ORT__}ort.wasm.min.mjs`));
  ort.env.wasm.wasmPaths = address(__ORT__);
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(address(model.url), {executionProviders: ['wasm']});
  const tensor = new ort.Tensor('uint8', noise(model, true), [1, model.height, model.width, 3]);
  const run = async () => {
    const outputs = await session.run({[session.inputNames[0]]: tensor});
    for (const name of session.outputNames) await outputs[name].getData();
  };
  return {run, accelerated: undefined, close: () => session.release()};
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const breath = () => new Promise((resolve) => setTimeout(resolve));

/** Open all, then time all in turn. What cannot be opened is told and left out. */
async function time(contestants, runs, onProgress) {
  const ready = [];
  for (const contestant of contestants) {
    try {
      const began = performance.now();
      const opened = await contestant.open();
      await opened.run();
      ready.push({...contestant, ...opened, firstMs: performance.now() - began, rounds: []});
    } catch (error) {
      console.info(`${contestant.model.model} on ${contestant.label}: ${error.message}`);
      refused.push(`${contestant.model.model} ${contestant.model.precision} on ${contestant.label}`);
    }
    onProgress(0);
    await breath();
  }
  for (let round = 0; round < WARMUP + runs; round++) {
    for (let turn = 0; turn < ready.length; turn++) {
      const one = ready[(turn + round) % ready.length];
      const began = performance.now();
      await one.run();
      if (round >= WARMUP) one.rounds.push(performance.now() - began);
      if (document.hidden) throw new Error('the page went to the background, where browsers slow it down; start again');
    }
    onProgress((round + 1) / (WARMUP + runs));
    await breath();
  }
  ready.forEach((one) => one.close());
  return ready;
}

function show(timed) {
  const slowest = Math.max(...timed.map((one) => median(one.rounds)));
  const rows = [...timed].sort((a, b) => median(a.rounds) - median(b.rounds)).map((one) => {
    const row = document.createElement('tr');
    const meter = Object.assign(document.createElement('meter'), {max: slowest, value: median(one.rounds)});
    const cells = [`${one.model.model} ${one.model.precision}`, one.label, median(one.rounds).toFixed(1), meter];
    for (const cell of cells) row.insertCell().append(cell);
    return row;
  });
  element('results').replaceChildren(...rows);
  element('device').textContent = facts.device || navigator.userAgentData?.platform || navigator.platform || 'This device';
  const parts = [`${facts.cores} cores`, threadCounts('litert').length > 1 ? 'threads allowed' : `one thread only (${facts.isolated ? 'LiteRT wants relaxed SIMD for more' : 'the page is not isolated'})`];
  if (facts.adapter) parts.push(`GPU ${facts.adapter}`);
  if (refused.length) parts.push(`not run: ${refused.join('; ')}`);
  element('conditions').textContent = parts.join(' · ');
  element('card').hidden = false;
}

async function send(timed) {
  const told = timed.map(({model, engine, threads, rounds, firstMs, accelerated}) => ({model: model.url, engine, threads, rounds, firstMs, accelerated}));
  const body = JSON.stringify({...facts, visible: !document.hidden, timed: told});
  const answer = await fetch(address('results'), {method: 'POST', body});
  if (!answer.ok) throw new Error(await answer.text());
}

async function start(plan, boxes) {
  element('start').disabled = true;
  element('progress').hidden = false;
  refused.length = 0;
  const contestants = boxes.filter(({box}) => box.checked).map(({contestant}) => contestant);
  try {
    say('Opening the models …');
    const timed = await time(contestants, plan.runs, (share) => {
      element('progress').value = share;
      if (share) say(`Timing: ${Math.round(100 * share)} %. Keep this page in front.`);
    });
    if (!timed.length) throw new Error('none of these runs in this browser');
    show(timed);
    await send(timed);
    say('Done, and sent. You may start again or close the page.');
  } catch (error) {
    say(`Not sent: ${error.message}`, true);
  }
  element('start').disabled = false;
}

async function main() {
  try {
    const plan = await (await fetch(address('plan.json'))).json();
    facts.adapter = await gpuName();
    facts.device = await deviceName();
    can = await features();
    await LiteRt.loadLiteRt(address(`shared/${__LITERT__}`), {threads: can.threads && can.relaxedSimd});
    const boxes = plan.models.flatMap(contestantsOf).map((contestant) => {
      const label = document.createElement('label');
      const box = Object.assign(document.createElement('input'), {type: 'checkbox', checked: true});
      label.append(box, ` ${contestant.model.model} ${contestant.model.precision}: ${contestant.label}`);
      element('plan').append(label);
      return {box, contestant};
    });
    element('start').addEventListener('click', () => start(plan, boxes));
    element('start').disabled = false;
    say('Ready. Close other apps, and do not lay the phone on something warm.');
  } catch (error) {
    say(`This browser cannot run the models: ${error.message}`, true);
  }
}

/** "Pixel 8 (Android 14)" where the browser tells, as Chrome does; else nothing. */
async function deviceName() {
  try {
    const {model, platform, platformVersion} = await navigator.userAgentData.getHighEntropyValues(['model', 'platformVersion']);
    return model ? `${model} (${platform} ${platformVersion})` : '';
  } catch {
    return '';
  }
}

async function gpuName() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    const {vendor = '', architecture = '', description = ''} = adapter?.info ?? {};
    return adapter ? `${vendor} ${architecture} ${description}`.trim() || 'unnamed' : '';
  } catch {
    return '';
  }
}

await main();
