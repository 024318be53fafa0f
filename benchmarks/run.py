"""`portraitnet benchmark`: the three experiments whose figures the README quotes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from ..runtime.backends import default_weights
from ..runtime.errors import InputError
from ..runtime.process import run
from ..runtime.segmenter import Segmenter
from ..train.datasets import Source
from ..train.evaluate import evaluate
from . import plots
from .clip import write_panning_clip
from .contestants import Contestant, facts, gather, rival_bundles
from .latency import interleave
from .peer import PeerBackend
from .table import latency_markdown, provenance, read_csv, write_csv


def benchmark_latency(
    models: Sequence[Path],
    out: Path,
    threads: tuple[int, ...] = (1, 2),
    rivals: bool = False,
    data: Source | None = None,
    runs: int = 50,
    progress: Progress | None = None,
) -> Path:
    """Time the models' artefacts in turn; writes latency_HEIGHTxWIDTH.csv, .md and plots into `out`.

    `data` scores every trained artefact on the spot; without it the accuracy column stays empty.
    `rivals` adds ResNet18/34/50 encoders with random weights. Returns the CSV's path.
    """
    if not models:
        raise InputError("name at least one model: a bundle's folder, or a .tflite, .onnx or .safetensors file")
    bar = progress or Progress(disable=True)
    with ExitStack() as stack:
        contestants = [c for model in models for c in gather(model, threads)]
        size = contestants[0].contract.size
        if rivals:
            say = bar.console.print if progress else lambda _: None
            for folder in stack.enter_context(rival_bundles(size, say)):
                contestants += gather(folder, threads, trained=False)
        rows = [facts(c) for c in contestants]
        if data is not None:
            _score(contestants, rows, data, bar)
        rng = np.random.default_rng(0)
        calls = [_call(c, rng) for c in contestants]
        task = bar.add_task("timing", total=runs + 5)
        for row, timing in zip(
            rows, interleave(calls, runs=runs, warmup=5, on_round=lambda: bar.advance(task)), strict=True
        ):
            row |= {
                "median_ms": timing.median_ms,
                "p90_ms": timing.p90_ms,
                "iqr_ms": timing.iqr_ms,
                "runs": timing.runs,
                **provenance(),
            }
    name = f"latency_{size[0]}x{size[1]}"
    write_csv(out / f"{name}.csv", rows)
    draw_latency(out / f"{name}.csv")
    return out / f"{name}.csv"


def draw_latency(csv: Path) -> None:
    """Write the Markdown table and the plots of a latency CSV beside it."""
    rows = read_csv(csv)
    csv.with_suffix(".md").write_text(latency_markdown(rows) + "\n", encoding="utf-8")
    plots.plot_latency(csv.with_suffix(".png"), rows)
    if any(row["fg_iou_per_image"] for row in rows):
        plots.plot_pareto(csv.with_name(f"{csv.stem}_pareto.png"), rows)


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


def _score(contestants: Sequence[Contestant], rows: Sequence[dict[str, object]], data: Source, bar: Progress) -> None:
    scored: dict[tuple[str, str, str], float] = {}
    for contestant, row in zip(contestants, rows, strict=True):
        if not contestant.trained:
            continue
        key = (contestant.model, contestant.format, contestant.precision)
        if key not in scored:
            task = bar.add_task(f"scoring {' '.join(key)}", total=len(data))
            summary = evaluate(contestant.segmenter, data, partial(bar.advance, task)).summary()
            scored[key] = summary["fg_iou_per_image"]
        row["fg_iou_per_image"] = scored[key]


def _call(contestant: Contestant, rng: np.random.Generator) -> Callable[[], object]:
    image = rng.integers(0, 256, (1, *contestant.contract.size, 3), np.uint8)
    backend = contestant.segmenter.backend
    if isinstance(backend, PeerBackend):  # whose graph does not normalise: that is not held against it
        prepared = backend.prepare(image)
        return lambda: backend.infer(prepared)
    if contestant.format != "torch":
        return lambda: backend.run(image)

    def run_torch() -> None:
        torch.set_num_threads(contestant.threads)
        backend.run(image)

    return run_torch
