"""`portraitnet benchmark --what video` and `--what startup`: whole commands, as a user runs them."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ...runtime.backends import default_weights
from ...runtime.process import run
from ...runtime.segmenter import Segmenter
from ..reporting.table import provenance, write_csv
from .clip import write_panning_clip


def benchmark_video(out: Path, model: Path | None = None, threads: int = 2, repeats: int = 3) -> Path:
    """Frames per second of `portraitnet run` on a 10 s 1280x720 clip, decode to encode; writes video_720p.csv."""
    rows = []
    model = model or default_weights()
    with tempfile.TemporaryDirectory() as scratch:
        clip = write_panning_clip(Path(scratch) / "clip.mp4", size=(720, 1280), seconds=10)
        segmenter = Segmenter.load(model, threads=threads)
        for background in ("blur", "#208060"):
            for repeat in range(repeats):
                target = Path(scratch) / f"{background.strip('#')}-{repeat}.mp4"
                summary = run([clip], segmenter, target, background)
                rows.append(
                    {
                        "model": segmenter.contract.name,
                        "file": model.name,
                        "background": background,
                        "threads": threads,
                        "frames": summary.frames,
                        "frames_per_second": summary.frames_per_second,
                        **provenance(),
                    }
                )
    write_csv(out / "video_720p.csv", rows)
    return out / "video_720p.csv"


def benchmark_startup(out: Path, repeats: int = 10) -> Path:
    """Seconds, as whole processes, of `import portraitnet` and of `portraitnet --help`; writes startup.csv."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import portraitnet.runtime": [sys.executable, "-c", "import portraitnet.runtime"],
        "portraitnet --help": [sys.executable, "-m", "portraitnet", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    rows = [
        {"command": name, "median_s": statistics.median(values[1:]), "runs": repeats, **provenance()}
        for name, values in times.items()
    ]
    write_csv(out / "startup.csv", rows)
    return out / "startup.csv"
