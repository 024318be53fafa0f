"""`portraitnet benchmark video`: `portraitnet run` on a 720p clip, from decoding to encoding."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.process import run
from ...runtime.segmenter import Segmenter
from ..reporting.table import markdown, provenance, write_csv
from .clip import write_panning_clip

_BACKGROUNDS = ("blur", "#208060")


def benchmark_video(
    models: Sequence[Path], threads: Sequence[int], out: Path, repeats: int = 3, seconds: float = 10
) -> Path:
    """Frames per second, and CPU seconds per second of the clip; all contestants take turns. Writes video_720p.csv."""
    with tempfile.TemporaryDirectory() as scratch:
        clip = write_panning_clip(Path(scratch) / "clip.mp4", size=(720, 1280), seconds=seconds)
        segmenters = [(model, count, Segmenter.load(model, threads=count)) for model in models for count in threads]
        rows: list[dict[str, object]] = []
        for repeat in range(repeats):
            for model, count, segmenter in segmenters:
                for background in _BACKGROUNDS:
                    used = time.process_time()
                    summary = run([clip], segmenter, Path(scratch) / "out.mp4", background, overwrite=bool(rows))
                    used = time.process_time() - used
                    rows.append(
                        {
                            "model": segmenter.contract.name,
                            "file": model.name,
                            "background": background,
                            "threads": count,
                            "repeat": repeat,
                            "frames": summary.frames,
                            "frames_per_second": summary.frames_per_second,
                            "cpu_ms_per_frame": 1000 * used / summary.frames,
                            **provenance(),
                        }
                    )
    write_csv(out / "video_720p.csv", rows)
    return out / "video_720p.csv"


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of video_720p.csv as Markdown: the median of each contestant's runs."""
    runs: dict[tuple[str, str, str], list[Mapping[str, str]]] = {}
    for row in rows:
        runs.setdefault((row["model"], row["background"], row["threads"]), []).append(row)
    lines = []
    for (model, background, threads), repeats in runs.items():
        line = {"model": model, "background": background, "threads": threads}
        line["frames/s"] = f"{statistics.median(float(row['frames_per_second']) for row in repeats):.0f}"
        if repeats[0].get("cpu_ms_per_frame"):
            line["CPU ms per frame"] = f"{statistics.median(float(row['cpu_ms_per_frame']) for row in repeats):.1f}"
        lines.append(line)
    return markdown(lines, {key: key for key in lines[0]})
