/** Backgrounds of people, replaced in the browser: the model in a worker, the drawing on the GPU. */

/** A model as `portraitnet serve` lists it in models.json. Sides are in pixels. */
export interface ModelFacts {
  name?: string;
  /** Address of the .tflite file, relative to the page. */
  url: string;
  height: number;
  width: number;
  geometry?: 'letterbox-128-centred' | 'stretch-1.5-128-centred' | 'stretch';
  /** Size of the file, for the progress. */
  bytes?: number;
}

/** What this browser offers a model, found by trying. */
export interface Features {
  webAssembly: boolean;
  simd?: boolean;
  relaxedSimd?: boolean;
  threads?: boolean;
  cores: number;
  webgpu?: boolean;
  fp16?: boolean;
}

/** One way to run a model; `label` is for people. */
export interface Way {
  accelerator: 'wasm' | 'webgpu';
  threads: number;
  precision?: 'fp16' | 'fp32';
  script: string;
  label: string;
}

export interface SegmenterOptions {
  /** Try WebGPU first. int8 models do not run there. */
  onGpu?: boolean;
  /** Hears the share of what is downloaded, 0 to 1. */
  onProgress?: (share: number) => void;
  /** Milliseconds for one way to start before the next is tried (25 s). */
  patience?: number;
  /** Folder of the built package, where the worker and LiteRT's files lie. */
  assets?: string;
}

export interface Segmenter {
  readonly model: ModelFacts;
  readonly way: Way;
  readonly features: Features;
  /** Whether fast kernels run the whole model; int8 files have a step outside at either end. */
  readonly whole: boolean;
  /** Ways that were tried before `way`, with their errors. */
  readonly failed: readonly {way: string; error: string}[];
  /** Alpha (height x width of the model, 0..1) of RGBA bytes of that size. */
  segment(pixels: Uint8Array | Uint8ClampedArray): Promise<Float32Array>;
  /** Stop the worker and give its memory back. */
  close(): void;
}

/** Open a model in the best way that this browser has. Rejects with an Error whose message can be shown. */
export function createSegmenter(model: ModelFacts, options?: SegmenterOptions): Promise<Segmenter>;

/** `strength` is the blur's sigma in percent of the longer side; `rgb` are three numbers 0..1. */
export type Background =
  | {kind: 'blur'; strength?: number}
  | {kind: 'colour'; rgb: [number, number, number]}
  | {kind: 'picture'}
  | {kind: 'none'};

export interface Look {
  background: Background;
  mirror: boolean;
  /** Hold the outline of moving pictures steady. */
  smooth: boolean;
  /** Draw the outline to the picture's own edges. */
  refine: boolean;
  /** How much light of the background falls on the outline, 0..1. */
  wrap: number;
  /** Left of this share of the width the picture is shown as it was. */
  split?: number;
}

/** What can be drawn here, and where. */
export interface Abilities {
  /** What drew last: moving pictures have the 2D canvas where WebGL2 is slow, stills never. */
  kind: 'WebGL2' | 'Canvas 2D';
  place: 'worker' | 'page';
  /** Milliseconds that WebGL2 takes for a frame, where the 2D canvas draws in its place. */
  slowness?: number;
  refine: boolean;
  ownColours: boolean;
  wrap: boolean;
  /** Longest side of a picture, in pixels. */
  largest: number;
}

export interface Drawn {
  /** The model's alpha, height x width, 0..1. */
  alpha: Float32Array;
  /** Where the picture lies in it. */
  box: {top: number; left: number; height: number; width: number};
  /** Milliseconds by stage. */
  times: {input: number; model: number; compose: number; all: number};
}

/** Shows a picture, video or track on a canvas, with its new background. */
export class View {
  static create(canvas: HTMLCanvasElement, segmenter: Segmenter): Promise<View>;
  readonly abilities: Abilities;
  onDrawn?: (drawn: Drawn) => void;
  /** The followed track is gone. */
  onEnd?: () => void;
  /** The followed track sends no new frames, or does again. */
  onStall?: (stalled: boolean) => void;
  onError?: (error: Error) => void;
  /** Change the look; the model does not run again. */
  set(changes: Partial<Look>): Promise<void>;
  setPicture(drawable: HTMLCanvasElement | ImageBitmap | HTMLVideoElement | null): Promise<void>;
  show(still: ImageBitmap): Promise<void>;
  /** Draw one frame of a stream that is yours. It is taken over; `seconds` is its time. Await it before the next. */
  frame(source: ImageBitmap, seconds?: number): Promise<void>;
  play(video: HTMLVideoElement): void;
  follow(track: MediaStreamTrack): Promise<void>;
  stop(): void;
}

export interface ProcessorOptions extends Partial<Look> {
  model?: ModelFacts;
  /** Instead of `model`: one that is open; the caller closes it. */
  segmenter?: Segmenter;
  /** For `background: {kind: 'picture'}`. */
  picture?: HTMLCanvasElement | ImageBitmap | HTMLVideoElement;
  /** Frames per second of the track; those of the camera without it. */
  frameRate?: number;
}

/** A camera's track with its background replaced, as a track for a video call or a recorder. Stop it to end all. */
export function createBackgroundProcessor(track: MediaStreamTrack, options: ProcessorOptions): Promise<MediaStreamTrack>;

/** The view behind a track of `createBackgroundProcessor`, to change its look. */
export function viewOf(track: MediaStreamTrack): View | undefined;

/** "#208060" -> three numbers 0..1. */
export function rgb(colour: string): [number, number, number];

export function features(): Promise<Features>;
/** The bytes of a .tflite with float32 weights in place of float16: LiteRT.js runs float16 ones by slow kernels. */
export function withoutHalves(file: Uint8Array): Uint8Array;
export function waysToRun(features: Features, onGpu?: boolean): Way[];
