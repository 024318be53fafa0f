"""`portraitnet benchmark live`: pipelines at 720p beside MediaPipe's, at equal work; delay; memory over a long run.

All contestants see the same clip, a pan over the sample portrait, and take turns. Pipelines in one thread are compared
by frames per second and by processor time; the live pipeline, which overlaps its stages on several cores, only by that.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import Progress

from ...runtime.compositing.composite import blend
from ...runtime.compositing.kernels import kernels
from ...runtime.media.memory import keep_freed_memory
from ...runtime.media.video import VideoReader
from ...runtime.segmenter import Segmenter
from ..reporting.table import markdown, provenance, write_csv
from .clip import write_panning_clip
from .pipelines import CAMERA_RATE, WORKS, MediaPipe, Turn, one_thread, overlapped
from .timing import interleave

FRAMES = 60  # of the clip, and of each turn
SETTLED = 500  # frames after which memory should grow no more
_ALONE = "one thread"


@dataclass
class Contestant:
    """One pipeline and what its turns took."""

    name: str
    file: str
    work: str
    threads: str  # one thread, or how many pictures are under way in the live pipeline
    turn: Callable[[], Turn]
    turns: list[Turn] = field(default_factory=list)

    def row(self, peer: Contestant | None) -> dict[str, object]:
        """The medians; `peer` does the same work, and each turn is compared with its turn just before or after."""
        row: dict[str, object] = {"contestant": self.name, "file": self.file, "work": WORKS[self.work]}
        row |= {"threads": self.threads}
        row["frames_per_second"] = statistics.median(turn.frames / turn.seconds for turn in self.turns)
        row["cpu_ms_per_frame"] = statistics.median(1000 * turn.cpu_seconds / turn.frames for turn in self.turns)
        row["cores_busy"] = statistics.median(turn.cpu_seconds / turn.seconds for turn in self.turns)
        if peer:
            pairs = list(zip(self.turns, peer.turns, strict=True))
            row["cpu_of_mediapipe"] = statistics.median(_cpu(ours) / _cpu(theirs) for ours, theirs in pairs)
            if self.threads == _ALONE:
                row["times_mediapipe"] = statistics.median(_rate(ours) / _rate(theirs) for ours, theirs in pairs)
        return row


def benchmark_live(
    models: Sequence[Path],
    threads: Sequence[int],
    out: Path,
    turns: int,
    soak: int,
    mediapipe_python: Path | None,
    progress: Progress,
) -> Path:
    """Time `turns` of 60 frames each, alternating; then the delay, and `soak` frames in a row. Writes live_720p.csv.

    `threads` are how many copies of a model work side by side, as `webcam --threads` has it. `mediapipe_python` is a
    Python that has mediapipe 0.10.21.
    """
    keep_freed_memory()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else ""  # what else the machine did when this began
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip = write_panning_clip(scratch / "clip.mp4", (720, 1280), seconds=FRAMES / 30)
        frames = np.ascontiguousarray(np.stack([frame.image for frame in VideoReader(clip)])[..., ::-1])
        lives = [
            (model, [Segmenter.load(model, threads=1) for _ in range(count)]) for model in models for count in threads
        ]
        ours = [contestant for model in models for contestant in _in_one_thread(model, list(frames))]
        ours += [_live(model, segmenters, frames) for model, segmenters in lives]
        peers: list[Contestant] = []
        if mediapipe_python:
            process = MediaPipe(mediapipe_python, frames, scratch)
            stack.callback(process.close)
            peers = _peers(process)
        task = progress.add_task("taking turns", total=turns + 1)
        for number in range(turns + 1):
            for contestant in [*ours, *peers]:
                turn = contestant.turn()
                contestant.turns += [turn] if number else []  # the first one warms up
            progress.advance(task)
        by_work = {peer.work: peer for peer in peers}
        by_work["shipped"] = by_work.get("soft")  # type: ignore[assignment] # the nearest that MediaPipe has
        rows = [contestant.row(by_work.get(contestant.work)) for contestant in [*ours, *peers]]
        for row, (_, segmenters) in zip(rows[len(ours) - len(lives) :], lives, strict=False):
            row |= _delay(segmenters, frames) | _growth(segmenters, frames, soak, progress)
    shared = {"turns": turns, "frames_per_turn": FRAMES, "load_average": load, **_blending(frames[0]), **provenance()}
    write_csv(out / "live_720p.csv", [{**row, **shared} for row in rows])
    return out / "live_720p.csv"


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of live_720p.csv as Markdown: rate, processor time, delay, memory; and blending by itself."""
    columns: dict[str, tuple[str, Callable[[float], str]]] = {
        "frames/s": ("frames_per_second", "{:.0f}".format),
        "of MediaPipe's": ("times_mediapipe", "{:.2f}x".format),
        "CPU ms per frame": ("cpu_ms_per_frame", "{:.1f}".format),
        "of MediaPipe's CPU": ("cpu_of_mediapipe", "{:.2f}x".format),
        "cores busy": ("cores_busy", "{:.1f}".format),
        "delay at 30 frames/s": ("delay_ms", "{:.0f} ms".format),
        "memory grew by": ("growth_mb", "{:.1f} MB".format),
    }
    shown = {heading: column for heading, column in columns.items() if any(row.get(column[0]) for row in rows)}
    lines = [
        {key: row.get(key, "") for key in ("contestant", "work", "threads")}
        | {heading: show(float(row[key])) if row.get(key) else "–" for heading, (key, show) in shown.items()}
        for row in rows
    ]
    blending, copy = (float(rows[0][key]) for key in ("laying_on_ms", "copy_of_as_many_bytes_ms"))
    load = rows[0].get("load_average")
    busy = f" The load average was {float(load):.1f} when the run began." if load else ""
    return (
        f"{markdown(lines, {key: key for key in lines[0]})}\n\n"
        f"Blending a person over a picture, by itself: {blending:.2f} ms; a copy of as many bytes: {copy:.2f} ms "
        f"({blending / copy:.2f}x).{busy}"
    )


def resident_megabytes() -> float:
    """Memory of this process that is in RAM now; nan where the system does not tell (it is read from /proc)."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), float("nan"))


def _rate(turn: Turn) -> float:
    return turn.frames / turn.seconds


def _cpu(turn: Turn) -> float:
    return turn.cpu_seconds / turn.frames


def _in_one_thread(model: Path, frames: Sequence[np.ndarray]) -> list[Contestant]:
    segmenter = Segmenter.load(model, threads=1)
    name = segmenter.contract.name

    def turn(work: str) -> Callable[[], Turn]:
        return lambda: one_thread(segmenter, work, frames, _nobody)

    return [Contestant(name, model.name, work, _ALONE, turn(work)) for work in ("hard", "soft", "shipped")]


def _live(model: Path, segmenters: Sequence[Segmenter], frames: np.ndarray) -> Contestant:
    name, threads = segmenters[0].contract.name, f"live, {len(segmenters)} under way"
    return Contestant(
        name, model.name, "shipped", threads, lambda: overlapped(segmenters, frames, FRAMES, False, _nobody)[0]
    )


def _peers(process: MediaPipe) -> list[Contestant]:
    def turn(work: str) -> Callable[[], Turn]:
        return lambda: process.turn(work)

    file = "selfie_segmentation_landscape.tflite"
    return [Contestant("mediapipe 0.10.21", file, work, _ALONE, turn(work)) for work in ("hard", "soft", "published")]


def _nobody(picture: np.ndarray) -> None:
    """Takes composed pictures where nobody looks."""


def _blending(image: np.ndarray, runs: int = 60) -> dict[str, object]:
    """Milliseconds that blending takes, and a copy that moves as many bytes: the memory's limit for it."""
    height, width = image.shape[:2]
    background = np.ascontiguousarray(image[:, ::-1])
    across = np.clip(np.abs(np.linspace(-8, 8, width)) * 255 - 900, 0, 255).astype(np.uint8)
    alpha = np.ascontiguousarray(np.broadcast_to(across, (height, width)))
    result = blend(image, background, alpha)
    source = np.ones((image.nbytes + background.nbytes + alpha.nbytes + result.nbytes) // 2, np.uint8)
    target = np.zeros_like(source)
    ours, copy = interleave([lambda: blend(image, background, alpha), lambda: np.copyto(target, source)], runs=runs)
    times = {"laying_on_ms": ours.median_ms, "copy_of_as_many_bytes_ms": copy.median_ms}
    return {**times, "kernels": kernels().name}


def _delay(segmenters: Sequence[Segmenter], frames: np.ndarray) -> dict[str, object]:
    _, delays = overlapped(segmenters, frames, 4 * FRAMES, True, _nobody)
    settled = sorted(delays[FRAMES:])
    return {
        "delay_ms": 1000 * statistics.median(settled),
        "delay_p90_ms": 1000 * settled[int(0.9 * len(settled))],
        "delay_frames": CAMERA_RATE * statistics.median(settled),
    }


def _growth(segmenters: Sequence[Segmenter], frames: np.ndarray, soak: int, progress: Progress) -> dict[str, object]:
    if soak <= SETTLED:
        return {}
    memory: list[float] = []
    task = progress.add_task(f"{soak} frames in a row", total=soak)
    shown = 0

    def watch(picture: np.ndarray) -> None:
        nonlocal shown
        progress.advance(task)
        if shown == SETTLED:
            memory.append(resident_megabytes())
        shown += 1

    overlapped(segmenters, frames, soak, False, watch)
    memory.append(resident_megabytes())
    return {"soak_frames": soak, "resident_mb": memory[0], "growth_mb": memory[1] - memory[0]}
