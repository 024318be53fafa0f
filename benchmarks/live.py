"""The live pipeline at 720p: frames per second beside MediaPipe's own Python example, delay, memory over a long run.

All contestants see the same clip (a pan over the sample portrait, flipped as a mirror does), take turns, and lay the
person on one colour. Ours have soft alpha, temporal smoothing and clean edges on; the example thresholds its mask.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from rich.progress import Progress

from ..runtime.composite import Picture
from ..runtime.errors import InputError
from ..runtime.live.pipeline import LivePipeline
from ..runtime.segmenter import Segmenter
from ..runtime.video import VideoReader
from .clip import write_panning_clip
from .table import provenance, write_csv

EXAMPLE = Path(__file__).parent / "peers" / "mediapipe_example.py"
_GREY = np.full((1, 1, 3), 192, np.uint8)  # the example's background
_FRAMES = 60  # of the clip, and of each turn
_CAMERA = 30.0  # frames/s at which the delay is measured
_UNDER_WAY = 2  # pictures at a time: one is shown while the next is with the model
_THREADS = 1  # of a model; the pipeline's stages are the others
_SETTLED = 500  # frames after which memory should grow no more


class _Endless:
    """The clip again and again: as fast as it is shown, or at `rate`."""

    def __init__(self, frames: np.ndarray, count: int, paced: bool) -> None:
        self.frames, self.count, self.paced = frames, count, paced
        self.rate, self.number, self.free = (_CAMERA if paced else 1.0), 0, threading.Semaphore(_UNDER_WAY)
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
        return self.frames[self.number % len(self.frames)]

    def shown(self, captured: float) -> None:
        """The picture of that time was shown: neither it nor one before it, which nobody looked at, is under way."""
        while self._given and self._given[0] <= captured:
            self._given.popleft()
            self.free.release()

    def close(self) -> None:
        self.free.release()


def show(
    segmenter: Segmenter, frames: np.ndarray, count: int, paced: bool, each: Callable[[int], None]
) -> tuple[float, list[float]]:
    """Pictures composed per second of `count` that came, and the delay of each from capture to output in seconds.

    Each is shown with its own mask, but a newer picture may replace one that nothing has looked at yet.
    """
    source, background, delays = _Endless(frames, count, paced), Picture(_GREY), []
    began = time.monotonic()
    with LivePipeline(source, segmenter, change=lambda image: cv2.flip(image, 1)) as pipeline:
        for number, shown in enumerate(pipeline):
            background.compose(shown.mask.own_colours(shown.image), shown.mask.of(shown.image))
            delays.append(time.monotonic() - shown.captured)
            source.shown(shown.captured)
            each(number)
    return len(delays) / (time.monotonic() - began), delays


def resident_megabytes() -> float:
    """Memory of this process that is in RAM now; nan where the system does not tell (it is read from /proc)."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), float("nan"))


class _Example:
    """MediaPipe's example in a Python of its own: it asks for older packages than ours."""

    def __init__(self, python: Path, frames: np.ndarray, scratch: Path) -> None:
        clip = scratch / "frames.npy"
        np.save(clip, frames[..., ::-1])
        self.process = subprocess.Popen(
            [str(python), str(EXAMPLE), str(clip)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._answer() != "ready":
            self.process.kill()
            raise InputError(f"{python} does not run MediaPipe's example; pip install mediapipe==0.10.21 for it")

    def turn(self) -> float:
        """Frames per second of one turn."""
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return _FRAMES / float(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """End the example's process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


def benchmark_live(
    models: Sequence[Path], out: Path, turns: int, soak: int, example: Path | None, progress: Progress
) -> Path:
    """Time `turns` of 60 frames each, alternating; then the delay, and `soak` frames in a row. Writes live_720p.csv.

    `example` is a Python that has mediapipe 0.10.21. Models have one thread, as `webcam` opens them.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip = write_panning_clip(scratch / "clip.mp4", (720, 1280), seconds=_FRAMES / 30)
        frames = np.stack([frame.image for frame in VideoReader(clip)])
        segmenters = [Segmenter.load(model, threads=_THREADS) for model in models]
        peer = _Example(example, frames, scratch) if example else None
        stack.callback(peer.close if peer else lambda: None)
        rates: dict[str, list[float]] = {segmenter.contract.name: [] for segmenter in segmenters}
        peer_rates = []
        task = progress.add_task("taking turns", total=turns + 1)
        for turn in range(turns + 1):
            for segmenter in segmenters:
                rate, _ = show(segmenter, frames, _FRAMES, False, lambda number: None)
                rates[segmenter.contract.name] += [rate] if turn else []
            peer_rates += [peer.turn()] if peer and turn else []
            progress.advance(task)
        rows: list[dict[str, object]] = []
        for segmenter, model in zip(segmenters, models, strict=True):
            name = segmenter.contract.name
            row: dict[str, object] = {"contestant": name, "file": model.name}
            row["frames_per_second"] = statistics.median(rates[name])
            if peer:
                pairs = zip(rates[name], peer_rates, strict=True)
                row["times_mediapipe"] = statistics.median(ours / theirs for ours, theirs in pairs)
            row |= _delay(segmenter, frames) | _growth(segmenter, frames, soak, progress)
            rows.append(row)
        if peer:
            example_row = {"contestant": "mediapipe example", "file": "selfie_segmentation_landscape.tflite"}
            rows.append({**example_row, "frames_per_second": statistics.median(peer_rates), "times_mediapipe": 1.0})
    shared = {"turns": turns, "frames_per_turn": _FRAMES, **provenance()}
    write_csv(out / "live_720p.csv", [{**row, **shared} for row in rows])
    return out / "live_720p.csv"


def _delay(segmenter: Segmenter, frames: np.ndarray) -> dict[str, object]:
    _, delays = show(segmenter, frames, 4 * _FRAMES, True, lambda number: None)
    settled = sorted(delays[_FRAMES:])
    return {
        "delay_ms": 1000 * statistics.median(settled),
        "delay_p90_ms": 1000 * settled[int(0.9 * len(settled))],
        "delay_frames": _CAMERA * statistics.median(settled),
    }


def _growth(segmenter: Segmenter, frames: np.ndarray, soak: int, progress: Progress) -> dict[str, object]:
    if soak <= _SETTLED:
        return {}
    memory = []
    task = progress.add_task(f"{soak} frames in a row", total=soak)

    def watch(number: int) -> None:
        progress.advance(task)
        if number == _SETTLED:
            memory.append(resident_megabytes())

    show(segmenter, frames, soak, False, watch)
    memory.append(resident_megabytes())
    return {"soak_frames": soak, "resident_mb": memory[0], "growth_mb": memory[1] - memory[0]}
