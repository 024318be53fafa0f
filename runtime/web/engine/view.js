// What stands between a picture, video or camera track and the canvas that shows it with its new background.

import {Renderer} from './renderer.js';

const STALL = 10_000; // milliseconds without a new frame after which a camera is said to have stopped
const SLOW = 50; // milliseconds of the first drawing, from which on WebGL2 is taken to run on the processor
const LOOK = {background: {kind: 'blur', strength: 2}, mirror: false, smooth: true, refine: true, wrap: 0};

/** Draws in the worker, whose pictures come back as bitmaps that cost no copy. */
class WorkerPainter {
  constructor(caller, canvas, abilities) {
    Object.assign(this, {caller, abilities, place: 'worker'});
    this.context = canvas.getContext('bitmaprenderer');
  }

  show({bitmap, ...facts}) {
    const {canvas} = this.context;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      Object.assign(canvas, {width: bitmap.width, height: bitmap.height});
    }
    this.context.transferFromImageBitmap(bitmap);
    this.abilities = facts.abilities;
    return facts;
  }

  look(look) {
    return this.caller.call('look', look);
  }

  async draw(source, height, width, seconds, moving) {
    const bitmap = source instanceof ImageBitmap || !source ? source : await createImageBitmap(source);
    const message = {source: bitmap, height, width, seconds, moving};
    return this.show(await this.caller.call('draw', message, bitmap ? [bitmap] : []));
  }

  async picture(source, height, width) {
    const bitmap = source && (await createImageBitmap(source));
    return this.caller.call('picture', {source: bitmap, height, width}, bitmap ? [bitmap] : []);
  }

  reset() {
    this.caller.call('reset');
  }
}

/** Draws on the page, where workers have no WebGL2 (WebKit before Safari 17); the model is in the worker all the same. */
class PagePainter {
  constructor(segmenter, canvas, settings) {
    this.place = 'page';
    this.renderer = new Renderer(
      () => document.createElement('canvas'), segmenter.model, (pixels) => segmenter.segment(pixels), settings,
    );
    this.canvas = canvas;
    this.wanted = LOOK;
    this.last = 0;
  }

  get abilities() {
    return this.renderer.abilities;
  }

  look(look) {
    this.wanted = look;
  }

  async draw(source, height, width, seconds, moving) {
    const {renderer, wanted} = this;
    const elapsed = seconds - this.last;
    if (source) this.last = seconds;
    const smooth = wanted.smooth && moving;
    const timed = wanted.timed || !this.context;
    const drawn = await renderer.draw(source, height, width, {...wanted, moving, smooth, elapsed, timed});
    // Without a GPU a canvas in the processor's memory is shown twice as often by WebKitGTK.
    const willReadFrequently = drawn.times.input + drawn.times.compose > SLOW;
    this.context ??= this.canvas.getContext('2d', {willReadFrequently});
    const {canvas} = this;
    const {canvas: drawing} = renderer;
    if (canvas.width !== drawing.width || canvas.height !== drawing.height) {
      Object.assign(canvas, {width: drawing.width, height: drawing.height});
    }
    this.context.globalCompositeOperation = 'copy';
    this.context.drawImage(drawing, 0, 0); // in the same task: a drawing buffer lives no longer
    source?.close?.();
    return {...drawn, recovered: renderer.recovered};
  }

  picture(source, height, width) {
    this.renderer.setPicture(source, height, width);
  }

  loseContext() {
    this.renderer.compositor.glsl?.gl.getExtension('WEBGL_lose_context').loseContext();
  }

  reset() {
    this.renderer.reset();
  }
}

export class View {
  #pending = false; // something is to be drawn as soon as what is being drawn is done
  #busy = false;
  #source = null;   // {still} | {video} | {track}
  #picture = null;
  #shown = 0;       // pictures drawn so far
  #round = 0;       // grows when the source changes: what belongs to the one before is dropped

  /**
   * A view on `canvas`. `settings` are {only2d, halfFloats, moving, onPage, stall}, for tests. Handlers to set: `onDrawn` hears
   * {alpha, box, times}, `onEnd` that a camera is gone, `onStall` whether it sends no new frames, `onError` an Error.
   */
  static async create(canvas, segmenter, settings = {}) {
    const {caller} = segmenter;
    const abilities = settings.onPage ? null : await caller.call('canDraw', settings);
    const view = new View();
    view.segmenter = segmenter;
    view.canvas = canvas;
    const onLost = () => view.#lost();
    view.painter = abilities
      ? new WorkerPainter(caller, canvas, abilities)
      : new PagePainter(segmenter, canvas, {...settings, onLost});
    caller.on('lost', onLost);
    caller.on('drawn', (drawn) => {
      if (view.#source?.track) view.#drawn(view.painter.show(drawn));
      else drawn.bitmap.close(); // of a camera that was just stopped
    });
    caller.on('failed', (message) => view.onError?.(new Error(message)));
    view.stall = Number(settings.stall ?? STALL);
    view.look = LOOK;
    await view.painter.look(LOOK);
    return view;
  }

  /** What can be done here: {kind, place, refine, ownColours, wrap, largest, slowness}. */
  get abilities() {
    return {...this.painter.abilities, place: this.painter.place};
  }

  /** Change the look: any of {background: {kind, strength, rgb}, mirror, smooth, refine, wrap}. The model does not run. */
  async set(changes) {
    this.look = {...this.look, ...changes};
    await this.painter.look(this.look);
    await this.redraw();
  }

  /** Draw the still again as it now looks; many calls at once make one drawing. */
  async redraw() {
    if (!this.#source?.still || !this.#source.drawn) return;
    await this.#serialize(async () => {
      await new Promise((resolve) => setTimeout(resolve)); // on the page drawing waits for nothing: let the others come
      return this.painter.draw(null, 0, 0, 0, false);
    });
  }

  /** One thing at a time; while it goes on, of all that is wanted only one more is done: the newest. */
  async #serialize(draw) {
    if (this.#busy) {
      this.#pending = draw;
      return;
    }
    this.#busy = true;
    try {
      for (let next = draw; next; ) {
        this.#pending = null;
        const round = this.#round;
        const drawn = await next();
        if (drawn && round === this.#round) this.#drawn(drawn);
        next = this.#pending;
      }
    } finally {
      this.#busy = false;
    }
  }

  #drawn(facts) {
    this.#shown++;
    this.onDrawn?.(facts);
  }

  #lost() {
    if (this.#source?.still) this.show(this.#source.still).catch((error) => this.onError?.(error));
  }

  /** Show a photograph (ImageBitmap, which stays the caller's). */
  async show(still) {
    if (this.#source?.still !== still) this.#leave();
    this.#source = {still};
    const source = this.#source;
    await this.#serialize(async () => {
      // A copy, because the painter closes what it gets.
      const drawn = await this.painter.draw(await createImageBitmap(still), still.height, still.width, 0, false);
      source.drawn = true;
      return drawn;
    });
  }

  /** Draw one frame of a stream that is the caller's: an ImageBitmap, which is taken over. `seconds` is its time. */
  async frame(source, seconds = performance.now() / 1000) {
    await this.#serialize(() => this.painter.draw(source, source.height, source.width, seconds, true));
  }

  /** Show a video element as it plays; each frame is drawn with the alpha that belongs to it, the newest frame wins. */
  play(video) {
    this.#leave();
    this.#source = {video};
    this.#playing(video);
  }

  #playing(video) {
    const round = this.#round;
    let fresh = false;
    let drawing = false;
    const draw = async () => {
      drawing = true;
      try {
        while (fresh && round === this.#round) {
          fresh = false;
          const seconds = performance.now() / 1000;
          const [height, width] = [video.videoHeight, video.videoWidth];
          const onPage = this.painter instanceof PagePainter;
          const source = onPage ? video : await createImageBitmap(video);
          await this.#serialize(() => this.painter.draw(source, height, width, seconds, true));
        }
      } catch (error) {
        if (round === this.#round) this.onError?.(error);
      } finally {
        drawing = false;
      }
    };
    const next = () => {
      if (round !== this.#round) return;
      fresh = video.videoWidth > 0;
      if (!drawing) draw();
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }

  /** Show a camera's track until it ends; frames go to the worker without the page where the browser can. */
  async follow(track) {
    this.#leave();
    const source = (this.#source = {track});
    const round = this.#round;
    this.#watch(track, round);
    if (!(this.painter instanceof PagePainter)) {
      const {caller} = this.segmenter;
      if (typeof MediaStreamTrackProcessor === 'function') {
        const {readable} = new MediaStreamTrackProcessor({track});
        await caller.call('follow', {readable}, [readable]);
        source.straight = true;
        return;
      }
      try {
        // Safari has the processor in workers only, and tracks can be sent there.
        const copy = track.clone();
        if (await caller.call('follow', {track: copy}, [copy])) {
          source.copy = copy;
          return;
        }
      } catch {
        // Tracks cannot be sent to workers here.
      }
    }
    const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true});
    video.srcObject = new MediaStream([track]);
    source.video = video;
    this.#playing(video);
    await video.play();
  }

  /** Notice that a track ended or stalled. Its `ended` event alone does not do: stop() fires none. */
  #watch(track, round) {
    const end = () => {
      if (round !== this.#round) return;
      this.#leave();
      this.onEnd?.();
    };
    track.addEventListener('ended', end);
    let [seen, since, stalled] = [this.#shown, performance.now(), false];
    const timer = setInterval(() => {
      if (round !== this.#round) return clearInterval(timer);
      if (track.readyState === 'ended') return end();
      const now = performance.now();
      if (seen !== this.#shown || document.hidden) [seen, since] = [this.#shown, now]; // hidden pages get no frames
      if (stalled === now - since > this.stall) return;
      stalled = !stalled;
      this.onStall?.(stalled);
    }, 500);
  }

  /** What lies behind when `background.kind` is `picture`: a drawable of height x width, a playing video, or null. */
  async setPicture(drawable) {
    this.#picture = drawable;
    if (!drawable) return;
    const video = drawable instanceof HTMLVideoElement;
    const size = () => (video ? [drawable.videoHeight, drawable.videoWidth] : [drawable.height, drawable.width]);
    await this.painter.picture(drawable, ...size());
    if (!video) return;
    const next = async () => {
      if (this.#picture !== drawable) return drawable.pause();
      await this.painter.picture(drawable, ...size());
      await this.redraw();
      drawable.requestVideoFrameCallback(next);
    };
    drawable.requestVideoFrameCallback(next);
  }

  #leave() {
    this.#round++;
    const {video, copy} = this.#source ?? {};
    copy?.stop();
    if (video?.srcObject) video.srcObject = null;
    this.#source = null;
    this.painter.reset();
  }

  /** For tests: take the GPU away, as drivers do. */
  loseContext() {
    if (this.painter instanceof PagePainter) this.painter.loseContext();
    else this.segmenter.caller.call('loseContext');
  }

  /** Show nothing more; the last picture stays on the canvas. */
  stop() {
    this.#leave();
  }
}
