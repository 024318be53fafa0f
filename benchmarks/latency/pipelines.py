"""The pipelines that `benchmark live` compares: ours in one thread, ours as shipped, MediaPipe's in its own Python.

Pipelines in one thread do equal work on one core: flip a BGR frame, find its mask, put the person before one colour.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...runtime.compositing.composite import blend
from ...runtime.compositing.fringe import without_fringe
from ...runtime.compositing.levels import levels
from ...runtime.compositing.smoothing import AlphaSmoother
from ...runtime.errors import InputError
from ...runtime.geometry import resize
from ...runtime.live.pipeline import LivePipeline
from ...runtime.segmenter import Segmenter

EXAMPLE = Path(__file__).parent.parent / "peers" / "mediapipe_example.py"
CAMERA_RATE = 30.0  # frames/s at which the delay is measured
GREY = 192  # the example's background
WORKS = {
    "hard": "thresholded mask",
    "soft": "soft alpha",
    "shipped": "soft alpha, smoothed, clean edges",
    "published": "thresholded mask, by NumPy as published",
}
Show = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Turn:
    """What one turn took: seconds on the clock, and of processors, summed over threads."""

    frames: int
    seconds: float
    cpu_seconds: float


def one_thread(segmenter: Segmenter, work: str, frames: Sequence[np.ndarray], show: Show) -> Turn:
    """Compose BGR `frames` one after the other on one core; `show` gets each picture, RGB."""
    background = np.full(frames[0].shape, GREY, np.uint8)
    smoother = AlphaSmoother()
    with _one_core():
        started, used = time.perf_counter(), time.process_time()
        for frame in frames:
            image = cv2.cvtColor(cv2.flip(frame, 1), cv2.COLOR_BGR2RGB)
            box, small = segmenter.small_alpha(image)
            if work == "shipped":
                small = smoother(small)
            alpha = resize(levels(box.content(small)), image.shape[:2])
            if work == "hard":
                show(cv2.copyTo(image, cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1], background.copy()))
            else:
                show(blend(without_fringe(image, alpha) if work == "shipped" else image, background, alpha))
        return Turn(len(frames), time.perf_counter() - started, time.process_time() - used)


def overlapped(
    segmenters: Sequence[Segmenter], frames: np.ndarray, count: int, paced: bool, show: Show
) -> tuple[Turn, list[float]]:
    """The live pipeline as shipped on `count` frames; also the delay of each, from capture to output, in seconds.

    One picture is shown while the next ones are with the models. Each is shown with its own mask, but a newer picture
    may replace one that nothing has looked at yet.
    """
    source, delays = _Endless(frames, count, paced, 1 + len(segmenters)), []
    background = np.full(frames[0].shape, GREY, np.uint8)
    started, used = time.perf_counter(), time.process_time()
    with LivePipeline(source, segmenters, change=lambda image: cv2.flip(image, 1)) as pipeline:
        for shown in pipeline:
            alpha = shown.mask.of(shown.image)
            show(blend(without_fringe(shown.image, alpha), background, alpha))
            delays.append(time.monotonic() - shown.captured)
            source.shown(shown.captured)
    return Turn(len(delays), time.perf_counter() - started, time.process_time() - used), delays


class MediaPipe:
    """MediaPipe's pipelines in a Python of their own: the package asks for older packages than ours."""

    def __init__(self, python: Path, frames: np.ndarray, scratch: Path) -> None:
        clip = scratch / "frames.npy"
        np.save(clip, frames)
        self._frames = len(frames)
        command = [str(python), str(EXAMPLE), str(clip), str(_first_core())]
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise InputError(f"{python} cannot be started: {error.strerror}") from error
        if self._answer() != "ready":
            self.process.kill()
            raise InputError(f"{python} does not run MediaPipe; pip install mediapipe==0.10.21 for it")

    def turn(self, work: str) -> Turn:
        """One turn of the pipeline `work`: published, hard or soft."""
        assert self.process.stdin
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        seconds, used = map(float, self._answer().split())
        return Turn(self._frames, seconds, used)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


class _Endless:
    """The clip (BGR) again and again: as it is shown, with `under_way` pictures at a time, or at a camera's rate."""

    def __init__(self, frames: np.ndarray, count: int, paced: bool, under_way: int) -> None:
        self.frames, self.count, self.paced = frames, count, paced
        self.rate, self.number, self.free = (CAMERA_RATE if paced else 1.0), 0, threading.Semaphore(under_way)
        self.started = time.monotonic()
        self._given: deque[float] = deque()

    def read(self) -> np.ndarray | None:
        if self.paced:
            time.sleep(max(0.0, self.started + self.number / self.rate - time.monotonic()))
        else:
            self.free.acquire()
        if self.number == self.count:
            return None
        self.number += 1
        self._given.append(time.monotonic())
        return cv2.cvtColor(self.frames[self.number % len(self.frames)], cv2.COLOR_BGR2RGB)  # as a camera's are

    def shown(self, captured: float) -> None:
        """The picture of that time was shown: neither it nor an earlier one, which nobody looked at, is under way."""
        while self._given and self._given[0] <= captured:
            self._given.popleft()
            self.free.release()

    def close(self) -> None:
        self.free.release()


def _first_core() -> int:
    return min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this thread, and OpenCV's, on one core."""
    threads = cv2.getNumThreads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cv2.setNumThreads(1)
    if cores:
        os.sched_setaffinity(0, {_first_core()})
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        if cores:
            os.sched_setaffinity(0, cores)
