"""`run`: pictures, folders and videos through a segmenter, to composites, masks, cut-outs or foregrounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from .compositing.composite import Background, Cutout, cut_out, parse_background, shows_fringe
from .compositing.fringe import spread_colours, without_fringe
from .compositing.light import compose, wrapped_in_light
from .compositing.matting import check_matting, matted_alpha, own_colours
from .compositing.smoothing import AlphaSmoother
from .errors import InputError, OutputError
from .large import LARGE, run_large
from .media.animation import AnimationReader, AnimationWriter
from .media.images import QUALITY, load_rgba, on_white, opaque_pixels, save_image
from .media.kinds import ENCODERS
from .media.memory import keep_freed_memory
from .media.threads import Behind, ahead, share_cores
from .notices import notice
from .plan import Job, plan
from .segmenter import Segmenter

if TYPE_CHECKING:
    from .geometry import Letterbox
    from .media.video import Frame, VideoReader

_STAGES = 4  # of a video, each in a thread: decoding, the model, compositing, encoding


@dataclass(frozen=True)
class Summary:
    """What a run did; `seconds` is wall time from the first picture read to the last one written."""

    written: tuple[Path, ...]
    done_before: tuple[Path, ...]
    videos: int
    frames: int
    seconds: float

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Done:
    """What came of a job: how many frames it has, or why it failed."""

    job: Job
    frames: int = 0
    error: str = ""


@dataclass(frozen=True)
class Options:
    """How results are made; the words are those of `run`."""

    background: str = "blur"
    output: str = "composite"
    sound: bool = True
    smooth: bool = True
    deinterlace: bool = True
    encoder: str = "fast"
    quality: int = QUALITY
    matting: bool = False
    light_wrap: float = 0.0
    blur_shape: str = "gaussian"

    @property
    def transparent(self) -> bool:
        return self.output == "cutout"


def run(
    inputs: Sequence[str | Path],
    segmenter: Segmenter | Callable[[bool], Segmenter],
    out: str | Path | None = None,
    background: str = "blur",
    output: str = "composite",
    overwrite: bool = False,
    progress: bool = False,
    sound: bool = True,
    smooth: bool = True,
    skip_existing: bool = False,
    recursive: bool = False,
    deinterlace: bool = True,
    encoder: str = "fast",
    quality: int = QUALITY,
    matting: bool = False,
    light_wrap: float = 0.0,
    blur_shape: str = "gaussian",
    cluster: str = "",
    cluster_threads: int = 1,
) -> Summary:
    """Process files and folders; `out` is a file for one input file, else a folder; see `plan` for names.

    `segmenter` may be a function that opens one, told whether there are videos: it is called once the inputs are known
    to be good. With `cluster`, the address of a Ray cluster or `auto` (see run_on_cluster), it must be such a function.
    `background` is a spec of `parse_background`; `output` is `composite`, `mask` (alpha, 0..255), `cutout` (RGBA) or
    `foreground` (the person's colours on black). `smooth` holds a video's alpha still where it only trembles.
    `matting` finds alpha and foreground of pictures by closed-form matting, in seconds for each. `light_wrap` (0..1)
    is how much light of the background falls on the outline; `blur_shape` is one of BLUR_SHAPES. Nothing starts when
    two results would share a name, or one would replace an input, or (without `overwrite`) an existing
    file. A file that cannot be read does not stop the others: InputError, at the end, names those that failed.
    """
    scene = parse_background(background, blur_shape)
    if isinstance(scene, Cutout) and output == "composite":
        output = "cutout"
    if encoder not in ENCODERS:
        raise InputError(f"encoder {encoder!r} is none of {', '.join(ENCODERS)}")
    if matting:
        check_matting()
    options = Options(background, output, sound, smooth, deinterlace, encoder, quality, matting, light_wrap, blur_shape)
    planned = plan(inputs, out, output, background, overwrite, skip_existing, recursive)
    if matting and planned.has_video:
        raise InputError("--matting is for pictures; leave it out for videos")
    done_before = tuple(job.target for job in planned.done_before)
    if not planned.jobs:
        return Summary((), done_before, 0, 0, 0.0)
    if matting:
        notice("matting takes seconds for each picture; its very first use compiles for a minute")
    written, failed, frames, videos = [], [], 0, 0
    started = time.perf_counter()
    with _progress(planned.jobs, progress) as advance:
        if cluster:
            if isinstance(segmenter, Segmenter):
                raise ValueError("a cluster's workers open the model themselves: pass a function that does")
            results = _on_cluster(planned.jobs, segmenter, options, cluster, cluster_threads, advance)
        else:
            opened = segmenter if isinstance(segmenter, Segmenter) else segmenter(planned.has_video)
            results = (do(job, opened, scene, options, advance) for job in planned.jobs)
        for done in results:
            if done.error:
                if len(planned.jobs) == 1:
                    raise InputError(done.error)
                notice(f"failed: {done.error}")
                failed.append(done.job.source)
                continue
            written.append(done.job.target)
            frames += done.frames
            videos += done.job.is_moving
    if failed:
        names = ", ".join(str(path) for path in failed)
        raise InputError(f"{len(failed)} of {len(planned.jobs)} files failed: {names}")
    return Summary(tuple(written), done_before, videos, frames, time.perf_counter() - started)


def do(
    job: Job,
    segmenter: Segmenter,
    scene: Background,
    options: Options,
    advance: Callable[[Job], None] = lambda job: None,
) -> Done:
    """One job; `scene` is the parsed background. A file that cannot be read becomes `error`; raises OutputError."""
    try:
        if job.is_moving:
            # Parsed anew, since a clip in the background starts at its start for each video.
            scene = parse_background(options.background, options.blur_shape)
            return Done(job, _video(job, segmenter, scene, options, advance))
        _image(job, segmenter, scene, options)
    except OutputError:
        raise
    except InputError as error:
        return Done(job, error=str(error))
    advance(job)
    return Done(job, 1)


def _on_cluster(
    jobs: Sequence[Job],
    opener: Callable[[bool], Segmenter],
    options: Options,
    address: str,
    threads: int,
    advance: Callable[[Job], None],
) -> Iterator[Done]:
    from .cluster import run_on_cluster

    for done in run_on_cluster(jobs, opener, options, address, threads):
        for _ in range(done.frames):
            advance(done.job)
        yield done


def _image(job: Job, segmenter: Segmenter, scene: Background, options: Options) -> None:
    if opaque_pixels(job.source) >= LARGE:
        run_large(job.source, job.target, _alpha_finder(segmenter, options), _lit(scene, options), scene, options)
        return
    picture = load_rgba(job.source)
    alpha = _with_own(_alpha_finder(segmenter, options)(on_white(picture)), picture)
    save_image(job.target, _result(_colours(picture), alpha, scene, options), options.quality)


def _alpha_finder(segmenter: Segmenter, options: Options) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the alpha of a still."""
    if not options.matting:
        return segmenter.alpha_bytes
    return lambda image: matted_alpha(image, segmenter.alpha_bytes(image))


def _cleaner(options: Options) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What takes the old background's colours out of a picture with this alpha."""
    return own_colours if options.matting else without_fringe


def _lit(scene: Background, options: Options) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What gives the person's colours as they will be seen: cleaned, and lit by the scene."""
    composed = options.output == "composite"
    clean = _cleaner(options) if shows_fringe(scene) or not composed else _unchanged_colours
    if not (composed and options.light_wrap):
        return clean
    return lambda image, alpha: wrapped_in_light(
        clean(image, alpha), alpha, scene.behind(image, alpha), options.light_wrap
    )


def _unchanged_colours(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return image


def _video(job: Job, segmenter: Segmenter, scene: Background, options: Options, advance: Callable[[Job], None]) -> int:
    """Decoding, the model, compositing and encoding each have a thread, so that all cores are busy."""
    keep_freed_memory()
    reader = _reader(job, options)
    frames, start, before, edges = 0, 0.0, 0.0, AlphaSmoother()
    with share_cores(_STAGES), _writer(job, reader, options) as writer, Behind(writer.write) as write:
        for frame, letterbox, small in ahead(_segmented(ahead(reader), segmenter, options.smooth)):
            start = start if frames else frame.seconds  # a clip that was cut from a longer one may not begin at 0
            stored = frame.image if frame.rgba is None else frame.rgba
            steady = partial(edges, elapsed=frame.seconds - before) if options.smooth else None
            alpha = _with_own(segmenter.grown_alpha(frame.image, letterbox, small, steady), stored)
            before = frame.seconds
            result = _result(_colours(stored), alpha, scene, options, frame.seconds - start)
            write(frame, cv2.merge([result] * 3) if options.output == "mask" else result)
            frames += 1
            advance(job)
    return frames


def _segmented(
    frames: Iterable[Frame], segmenter: Segmenter, smooth: bool
) -> Iterator[tuple[Frame, Letterbox, np.ndarray]]:
    """Each frame with its alpha at the model's size, and how the frame lies in it."""
    smoother, before = AlphaSmoother(), 0.0
    for frame in frames:
        letterbox, alpha = segmenter.small_alpha(frame.image)
        yield frame, letterbox, smoother(alpha, frame.seconds - before) if smooth else alpha
        before = frame.seconds


def _result(
    image: np.ndarray, alpha: np.ndarray, scene: Background, options: Options, seconds: float = 0.0
) -> np.ndarray:
    """What is written: alpha itself for masks, else uint8 RGB or RGBA."""
    if options.output == "mask":
        return alpha
    clean = _cleaner(options)
    if options.output == "composite":
        own = clean(image, alpha) if shows_fringe(scene) else image
        return compose(scene, own, alpha, seconds, options.light_wrap)
    person = cut_out(clean(image, alpha), alpha)
    if options.output == "foreground":
        return spread_colours(person)[..., :3]
    return person


def _with_own(alpha: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Alpha within what the picture itself shows: its transparent part stays so."""
    return alpha if picture.shape[2] == 3 else cv2.multiply(alpha, cv2.extractChannel(picture, 3), scale=1 / 255)


def _colours(picture: np.ndarray) -> np.ndarray:
    return picture if picture.shape[2] == 3 else np.ascontiguousarray(picture[..., :3])


def _reader(job: Job, options: Options) -> VideoReader | AnimationReader:
    if not job.is_video:
        return AnimationReader(job.source)
    from .media.video import VideoReader

    return VideoReader(job.source, options.deinterlace)


class _Writer(Protocol):
    def write(self, frame: Frame, picture: np.ndarray) -> None: ...


def _writer(job: Job, reader: VideoReader | AnimationReader, options: Options) -> AbstractContextManager[_Writer]:
    if isinstance(reader, AnimationReader) or job.is_animation:
        return AnimationWriter.open(job.target, getattr(reader, "loops", 0), options.quality)
    if job.is_numbered:
        from .media.numbered import NumberedPictures

        return NumberedPictures.open(job.target, options.quality)
    from .media.video import VideoWriter

    return VideoWriter.open(job.target, reader, options.sound, options.transparent, options.encoder, options.quality)


@contextmanager
def _progress(jobs: Sequence[Job], shown: bool) -> Iterator[Callable[[Job], None]]:
    """Yields what counts one frame of a job, on one bar over all; its length is an estimate for some videos."""
    if not shown:
        yield lambda job: None
        return
    from .console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task("frames", total=None if bar.disable else sum(_frames_in(job) for job in jobs))
        yield lambda job: bar.update(task, advance=1, description=job.source.name)


def _frames_in(job: Job) -> int:
    if not job.is_moving:
        return 1
    try:
        return _reader(job, Options()).frames
    except InputError:  # reported when its turn comes
        return 0
