"""`run`: pictures, folders and videos through a segmenter, to composites, masks or cut-outs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from .compositing.composite import VIDEO_SUFFIXES, Background, Cutout, cut_out, parse_background, shows_fringe
from .compositing.fringe import without_fringe
from .compositing.smoothing import AlphaSmoother
from .errors import InputError, OutputError
from .media.images import IMAGE_SUFFIXES, load_image, save_image
from .media.memory import keep_freed_memory
from .media.threads import Behind, ahead
from .segmenter import Segmenter

OUTPUTS = ("composite", "mask", "cutout")
_CLIP_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")
_TRANSPARENT_SUFFIXES = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Summary:
    """What a run did; `seconds` is wall time from the first picture read to the last one written."""

    written: tuple[Path, ...]
    frames: int
    seconds: float

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Job:
    """One input file and where its result goes."""

    source: Path
    target: Path

    @property
    def is_video(self) -> bool:
        return self.source.suffix.lower() in VIDEO_SUFFIXES


def run(
    inputs: Sequence[str | Path],
    segmenter: Segmenter,
    out: str | Path,
    background: str = "blur",
    output: str = "composite",
    overwrite: bool = False,
    progress: bool = False,
    sound: bool = True,
    smooth: bool = True,
) -> Summary:
    """Process files and folders; `out` is a file for one input file, else a folder.

    `background` is a spec of `parse_background`; `output` is `composite`, `mask` (alpha, 0..255) or `cutout`
    (RGBA, pictures only). `smooth` holds a video's alpha still where it only trembles. Nothing starts when two
    results would share a name, or one would replace an input, or (without `overwrite`) an existing file. A file
    that cannot be read does not stop the others: InputError, at the end, says how many failed.
    """
    if output not in OUTPUTS:
        raise InputError(f"output {output!r} is not one of {', '.join(OUTPUTS)}")
    scene = parse_background(background)
    if isinstance(scene, Cutout) and output == "composite":
        output = "cutout"
    jobs = plan(inputs, Path(out), output, overwrite, background)
    written, failures, frames = [], [], 0
    started = time.perf_counter()
    with _Progress(jobs, progress) as bar:
        for job in jobs:
            try:
                if job.is_video:
                    # Parsed anew, since a clip in the background starts at its start for each video.
                    own = parse_background(background)
                    frames += _video(job, segmenter, own, output, sound, smooth, bar.advance)
                else:
                    frames += _image(job, segmenter, scene, output)
                    bar.advance(job)
                written.append(job.target)
            except OutputError:
                raise
            except InputError as error:
                if len(jobs) == 1:
                    raise
                failures.append(error)
    if failures:
        raise InputError(f"{len(failures)} of {len(jobs)} files failed; the first: {failures[0]}")
    return Summary(tuple(written), frames, time.perf_counter() - started)


def plan(
    inputs: Sequence[str | Path], out: Path, output: str, overwrite: bool = False, background: str = "blur"
) -> list[Job]:
    """The jobs that `run` would do, checked: inputs exist, names are free and distinct."""
    sources = [Path(p) for p in inputs]
    if not sources:
        raise InputError("no input given: name pictures, videos or folders")
    files = [file for source in sources for file in _expand(source)]
    to_one_file = len(sources) == 1 and sources[0].is_file() and _is_media(out) and not out.is_dir()
    jobs = [Job(file, out if to_one_file else out / _result_name(file, output)) for file in files]
    if out.is_file() and not to_one_file:
        raise InputError(f"{out} is a file; several results need a folder")
    for job in jobs:
        _check_target(job, output)
    sources_by_target: dict[Path, Path] = {}
    for job in jobs:
        first = sources_by_target.setdefault(job.target.resolve(), job.source)
        if first is not job.source:
            raise InputError(f"{first} and {job.source} would both be written to {job.target}; run them apart")
    taken = {_identity(file) for file in [*files, Path(background)] if file.exists()}
    for job in jobs:
        if not job.target.exists():
            continue
        if _identity(job.target) in taken:
            raise InputError(f"{job.target} is an input and would be overwritten; choose another --out")
        if not overwrite:
            raise InputError(f"{job.target} exists; remove it or allow overwriting")
    return jobs


def _identity(path: Path) -> tuple[int, int]:
    """The file itself: names differ by links, and on a Mac by upper and lower case."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _expand(source: Path) -> list[Path]:
    if source.is_dir():
        found = sorted(p for p in source.iterdir() if _is_media(p) and p.is_file() and not p.name.startswith("."))
        if not found:
            raise InputError(f"{source} holds no picture or video")
        return found
    if not source.exists():
        raise InputError(f"{source} does not exist")
    if not _is_media(source):
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise InputError(f"{source} is neither picture nor video by its name ({known})")
    return [source]


def _is_media(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def _result_name(source: Path, output: str) -> str:
    suffix = source.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return f"{source.stem}{suffix if suffix in _CLIP_SUFFIXES else '.mp4'}"
    return f"{source.stem}{suffix if output == 'composite' else '.png'}"


def _check_target(job: Job, output: str) -> None:
    suffix = job.target.suffix.lower()
    if job.is_video:
        if output == "cutout":
            raise InputError(f"{job.source}: video holds no transparency; choose a background or the mask")
        if suffix not in _CLIP_SUFFIXES:
            raise InputError(f"{job.target}: a video is written to one of {', '.join(_CLIP_SUFFIXES)}")
    elif suffix not in IMAGE_SUFFIXES:
        raise InputError(f"{job.target}: a picture is written to one of {', '.join(sorted(IMAGE_SUFFIXES))}")
    elif output == "cutout" and suffix not in _TRANSPARENT_SUFFIXES:
        raise InputError(f"{job.target} holds no transparency; use one of {', '.join(_TRANSPARENT_SUFFIXES)}")


def _image(job: Job, segmenter: Segmenter, scene: Background, output: str) -> int:
    image = load_image(job.source)
    alpha = segmenter.alpha_bytes(image)
    if output == "mask":
        save_image(job.target, alpha)
    else:
        image = _own_colours(image, alpha, scene)
        save_image(job.target, cut_out(image, alpha) if output == "cutout" else scene.compose(image, alpha))
    return 1


def _own_colours(image: np.ndarray, alpha: np.ndarray, scene: Background) -> np.ndarray:
    return without_fringe(image, alpha) if shows_fringe(scene) else image


def _video(
    job: Job,
    segmenter: Segmenter,
    scene: Background,
    output: str,
    sound: bool,
    smooth: bool,
    advance: Callable[[Job], None],
) -> int:
    """Decoding, inference and encoding each have a thread: on two cores that is what reaches 30 frames/s."""
    from .media.video import VideoReader, VideoWriter

    keep_freed_memory()
    reader = VideoReader(job.source)
    frames, start, before = 0, 0.0, 0.0
    smoother = AlphaSmoother()
    with VideoWriter.open(job.target, like=reader, sound=sound) as writer, Behind(writer.write) as write:
        for frame in ahead(reader):
            start = start if frames else frame.seconds  # a clip that was cut from a longer one may not begin at 0
            steady = partial(smoother, elapsed=frame.seconds - before) if smooth else _unchanged
            alpha = segmenter.alpha_bytes(frame.image, steady)
            before = frame.seconds
            if output == "mask":
                write(frame, cv2.merge([alpha] * 3))
            else:
                image = _own_colours(frame.image, alpha, scene)
                write(frame, scene.compose(image, alpha, frame.seconds - start))
            frames += 1
            advance(job)
    return frames


def _unchanged(alpha: np.ndarray) -> np.ndarray:
    return alpha


class _Progress:
    """One bar over all frames, with the time left; its length is an estimate where a video does not say."""

    def __init__(self, jobs: Iterable[Job], shown: bool) -> None:
        self._bar = None
        if shown:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from .console import console

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
            )
            self._task = self._bar.add_task("frames", total=sum(_frames_in(job) for job in jobs))

    def __enter__(self) -> _Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, job: Job) -> None:
        """Count one frame of `job`."""
        if self._bar:
            self._bar.update(self._task, advance=1, description=job.source.name)


def _frames_in(job: Job) -> int:
    if not job.is_video:
        return 1
    from .media.video import VideoReader

    try:
        return VideoReader(job.source).frames
    except InputError:  # reported when its turn comes
        return 0
