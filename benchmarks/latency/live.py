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
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich.progress import Progress

from ...runtime.compositing.composite import Picture, blend
from ...runtime.compositing.fringe import without_fringe
from ...runtime.errors import InputError
from ...runtime.live.pipeline import LivePipeline
from ...runtime.media.video import VideoReader
from ...runtime.segmenter import Segmenter
from ..reporting.table import provenance, write_csv
from .clip import write_panning_clip
from .timing import interleave

EXAMPLE = Path(__file__).parent.parent / "peers" / "mediapipe_example.py"
_GREY = np.full((1, 1, 3), 192, np.uint8)  # the example's background
_FRAMES = 60  # of the clip, and of each turn
_CAMERA = 30.0  # frames/s at which the delay is measured
_SETTLED = 500  # frames after which memory should grow no more


class _Endless:
    """The clip again and again: as fast as it is shown, with `under_way` pictures at a time, or at `rate`."""

    def __init__(self, frames: np.ndarray, count: int, paced: bool, under_way: int) -> None:
        self.frames, self.count, self.paced = frames, count, paced
        self.rate, self.number, self.free = (_CAMERA if paced else 1.0), 0, threading.Semaphore(under_way)
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
    segmenters: Sequence[Segmenter], frames: np.ndarray, count: int, paced: bool, each: Callable[[int], None]
) -> tuple[float, list[float]]:
    """Pictures composed per second of `count` that came, and the delay of each from capture to output in seconds.

    One is shown while the next ones are with the models. Each is shown with its own mask, but a newer picture may
    replace one that nothing has looked at yet.
    """
    source, background, delays = _Endless(frames, count, paced, 1 + len(segmenters)), Picture(_GREY), []
    began = time.monotonic()
    with LivePipeline(source, segmenters, change=lambda image: cv2.flip(image, 1)) as pipeline:
        for number, shown in enumerate(pipeline):
            alpha = shown.mask.of(shown.image)
            background.compose(without_fringe(shown.image, alpha), alpha)
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
    models: Sequence[Path],
    threads: Sequence[int],
    out: Path,
    turns: int,
    soak: int,
    example: Path | None,
    progress: Progress,
) -> Path:
    """Time `turns` of 60 frames each, alternating; then the delay, and `soak` frames in a row. Writes live_720p.csv.

    `threads` are how many copies of a model work side by side, as `webcam --threads` has it. `example` is a Python
    that has mediapipe 0.10.21.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip = write_panning_clip(scratch / "clip.mp4", (720, 1280), seconds=_FRAMES / 30)
        frames = np.stack([frame.image for frame in VideoReader(clip)])
        ours = [
            _Contestant(model, [Segmenter.load(model, threads=1) for _ in range(count)])
            for model in models
            for count in threads
        ]
        peer = _Example(example, frames, scratch) if example else None
        stack.callback(peer.close if peer else lambda: None)
        peer_rates = []
        task = progress.add_task("taking turns", total=turns + 1)
        for turn in range(turns + 1):
            for contestant in ours:
                rate, _ = show(contestant.segmenters, frames, _FRAMES, False, lambda number: None)
                contestant.rates += [rate] if turn else []
            peer_rates += [peer.turn()] if peer and turn else []
            progress.advance(task)
        rows: list[dict[str, object]] = []
        for contestant in ours:
            row = contestant.row(peer_rates)
            row |= _delay(contestant.segmenters, frames) | _growth(contestant.segmenters, frames, soak, progress)
            rows.append(row)
        if peer:
            example_row = {"contestant": "mediapipe example", "file": "selfie_segmentation_landscape.tflite"}
            rows.append({**example_row, "frames_per_second": statistics.median(peer_rates), "times_mediapipe": 1.0})
    shared = {"turns": turns, "frames_per_turn": _FRAMES, **_laying_on(frames[0]), **provenance()}
    write_csv(out / "live_720p.csv", [{**row, **shared} for row in rows])
    return out / "live_720p.csv"


@dataclass
class _Contestant:
    model: Path
    segmenters: Sequence[Segmenter]
    rates: list[float] = field(default_factory=list)  # frames/s of each turn

    def row(self, peer_rates: Sequence[float]) -> dict[str, object]:
        row: dict[str, object] = {"contestant": self.segmenters[0].contract.name, "file": self.model.name}
        row |= {"threads": len(self.segmenters), "frames_per_second": statistics.median(self.rates)}
        if peer_rates:
            pairs = zip(self.rates, peer_rates, strict=True)
            row["times_mediapipe"] = statistics.median(ours / theirs for ours, theirs in pairs)
        return row


def _laying_on(image: np.ndarray, runs: int = 60) -> dict[str, object]:
    """Milliseconds that laying a person on takes, and a copy that moves as many bytes: the memory's limit for it."""
    height, width = image.shape[:2]
    background = np.ascontiguousarray(image[:, ::-1])
    across = np.clip(np.abs(np.linspace(-8, 8, width)) * 255 - 900, 0, 255).astype(np.uint8)
    alpha = np.ascontiguousarray(np.broadcast_to(across, (height, width)))
    result = blend(image, background, alpha)
    source = np.ones((image.nbytes + background.nbytes + alpha.nbytes + result.nbytes) // 2, np.uint8)
    target = np.zeros_like(source)
    ours, copy = interleave([lambda: blend(image, background, alpha), lambda: np.copyto(target, source)], runs=runs)
    return {"laying_on_ms": ours.median_ms, "copy_of_as_many_bytes_ms": copy.median_ms}


def _delay(segmenters: Sequence[Segmenter], frames: np.ndarray) -> dict[str, object]:
    _, delays = show(segmenters, frames, 4 * _FRAMES, True, lambda number: None)
    settled = sorted(delays[_FRAMES:])
    return {
        "delay_ms": 1000 * statistics.median(settled),
        "delay_p90_ms": 1000 * settled[int(0.9 * len(settled))],
        "delay_frames": _CAMERA * statistics.median(settled),
    }


def _growth(segmenters: Sequence[Segmenter], frames: np.ndarray, soak: int, progress: Progress) -> dict[str, object]:
    if soak <= _SETTLED:
        return {}
    memory = []
    task = progress.add_task(f"{soak} frames in a row", total=soak)

    def watch(number: int) -> None:
        progress.advance(task)
        if number == _SETTLED:
            memory.append(resident_megabytes())

    show(segmenters, frames, soak, False, watch)
    memory.append(resident_megabytes())
    return {"soak_frames": soak, "resident_mb": memory[0], "growth_mb": memory[1] - memory[0]}
