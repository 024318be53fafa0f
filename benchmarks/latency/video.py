"""`portraitnet benchmark video`: `portraitnet run` on a 720p clip, beside its limit, a plain transcode of the clip."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import av

from ...runtime.media.encoding import encoding_for
from ...runtime.process import run
from ...runtime.segmenter import Segmenter
from ..reporting.table import markdown, provenance, write_csv
from .clip import write_panning_clip

_BACKGROUNDS = ("blur", "#208060")
LIMIT, FFMPEG = "decode and encode alone", "decode and encode alone, by ffmpeg"


@dataclass
class _Contestant:
    """One way to make a video of the clip; `turn` makes it once, and `rows` are what its turns took."""

    columns: dict[str, object]
    target: Path
    turn: Callable[[], object]
    rows: list[dict[str, object]] = field(default_factory=list)

    def take_turn(self, frames: int) -> None:
        started, used = time.perf_counter(), _cpu_seconds()
        self.turn()
        seconds, used = time.perf_counter() - started, _cpu_seconds() - used
        row: dict[str, object] = {**self.columns, "run": len(self.rows), "frames": frames}
        row |= {"frames_per_second": frames / seconds, "cpu_ms_per_frame": 1000 * used / frames}
        row |= {"cores_busy": used / seconds, "bytes": self.target.stat().st_size}
        self.rows.append(row | provenance())


def benchmark_video(
    models: Sequence[Path],
    threads: Sequence[int],
    out: Path,
    runs: int = 3,
    seconds: float = 10,
    encoders: Sequence[str] = ("fast",),
) -> Path:
    """Frames/s and processor time per frame of `run` as users get it; all contestants take turns.

    Beside each encoder stands the same clip decoded and encoded with its settings, by PyAV and by `ffmpeg` where that
    is installed. Writes video_720p.csv, a row for each run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        clip = write_panning_clip(Path(scratch) / "clip.mp4", size=(720, 1280), seconds=seconds)
        target = Path(scratch) / "out.mp4"
        with av.open(str(clip)) as container:
            frames = container.streams.video[0].frames
        contestants = [*_ours(models, threads, encoders, clip, target), *_limits(encoders, clip, target)]
        for _ in range(runs):
            for contestant in contestants:
                contestant.take_turn(frames)
    write_csv(out / "video_720p.csv", [row for contestant in contestants for row in contestant.rows])
    return out / "video_720p.csv"


def _ours(
    models: Sequence[Path], threads: Sequence[int], encoders: Sequence[str], clip: Path, target: Path
) -> Iterator[_Contestant]:
    for model in models:
        for count in threads:
            segmenter = Segmenter.load(model, threads=count, refine=True)
            its: dict[str, object] = {"model": segmenter.contract.name, "file": model.name, "threads": count}
            for background in _BACKGROUNDS:
                for encoder in encoders:
                    turn = partial(run, [clip], segmenter, target, background, overwrite=True, encoder=encoder)
                    yield _Contestant(_columns(encoder, background) | its, target, turn)


def _limits(encoders: Sequence[str], clip: Path, target: Path) -> Iterator[_Contestant]:
    ffmpeg = shutil.which("ffmpeg")
    for encoder in encoders:
        yield _Contestant(_columns(encoder) | {"model": LIMIT}, target, partial(transcode, clip, target, encoder))
        if ffmpeg:
            command = [ffmpeg, *ffmpeg_arguments(clip, target, encoder)]
            yield _Contestant(_columns(encoder) | {"model": FFMPEG}, target, partial(_succeed, command))


def _succeed(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def transcode(clip: Path, target: Path, encoder: str) -> None:
    """Decode `clip` and encode its frames as `run` would, without a look at them."""
    encoding = encoding_for(target, encoder=encoder)
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        video: Any = source.streams.video[0]
        video.thread_type = "AUTO"
        stream: Any = output.add_stream(encoding.codec, rate=video.average_rate, options=dict(encoding.options))
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, encoding.pixel_format
        stream.codec_context.time_base = video.time_base
        for frame in source.decode(video):
            frame.pict_type = 0  # else the encoder keeps the source's kinds of frame
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def ffmpeg_arguments(clip: Path, target: Path, encoder: str) -> list[str]:
    """The same, as arguments of `ffmpeg`."""
    encoding = encoding_for(target, encoder=encoder)
    options = [part for name, value in encoding.options.items() for part in (f"-{name}", value)]
    return ["-y", "-i", str(clip), "-c:v", encoding.codec, "-pix_fmt", encoding.pixel_format, *options, str(target)]


def _columns(encoder: str, background: str = "") -> dict[str, object]:
    return {"model": "", "file": "", "background": background, "encoder": encoder, "threads": ""}


def _cpu_seconds() -> float:
    """Processor time of this process and of those that it ran."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of video_720p.csv as Markdown: the median of each contestant's runs."""
    return markdown(lines := medians(rows), {key: key for key in lines[0]})


def medians(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """A line for each contestant, in the order of the file; what an older file does not hold is empty."""
    contestants: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in rows:
        which = tuple(row.get(column, "") for column in ("model", "background", "encoder", "threads"))
        contestants.setdefault(which, []).append(row)
    lines = []
    for (model, background, encoder, threads), its in contestants.items():
        line = {"model": model, "background": background, "encoder": encoder, "threads of the model": threads}
        line["frames/s"] = f"{_median(its, 'frames_per_second'):.0f}"
        others = (("CPU ms per frame", "cpu_ms_per_frame", 1), ("cores busy", "cores_busy", 2), ("bytes", "bytes", 0))
        for column, key, digits in others:
            line[column] = f"{_median(its, key):.{digits}f}" if its[0].get(key) else ""
        lines.append(line)
    return lines


def _median(rows: Sequence[Mapping[str, str]], column: str) -> float:
    return statistics.median(float(row[column]) for row in rows)
