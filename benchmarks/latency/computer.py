"""`portraitnet benchmark latency`: models x formats x backends x threads x sizes, on this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from ...runtime.backends.peer import PEER_SUFFIXES, PeerBackend
from ...runtime.errors import InputError
from ...train.datasets import Source
from ...train.evaluate import evaluate
from ..reporting import plots
from ..reporting.table import latency_markdown, names_of, provenance, read_csv, write_csv
from .contestants import Contestant, facts, gather, resized_bundles, rival_bundles
from .energy import EnergyMeter
from .engines import Engine
from .probe import cold_start
from .published import PUBLISHED_MIOU, SIZE
from .timing import Timing, interleave

_FRAME = (720, 1280)  # what end-to-end starts from and ends at
_WARMUP = 5


@dataclass(frozen=True)
class Measure:
    """What is measured of each contestant beside the model's own time.

    `cold_starts`: fresh processes each (0: none). `end_to_end`: also from a 720p picture to its full-size mask.
    """

    runs: int = 50
    cold_starts: int = 3
    end_to_end: bool = True


def benchmark_latency(
    models: Sequence[Path],
    out: Path,
    threads: tuple[int, ...] = (1, 2),
    rivals: Sequence[str] = (),
    data: Source | None = None,
    measure: Measure | None = None,
    engines: Sequence[Engine] = (),
    sizes: Sequence[tuple[int, int]] = (),
    progress: Progress | None = None,
) -> Path:
    """Time the models' artefacts in turn; writes latency_HEIGHTxWIDTH.csv (latency_sizes.csv), .md, plots into `out`.

    Beside it, ..._rounds.csv keeps every round's milliseconds, which `benchmark compare` pairs. `data` scores every
    trained artefact on the spot; without it the accuracy column stays empty. `rivals` adds encoders (resnet18 ...) or
    published networks (latency.published; alone, at the first of `sizes`) with random weights. `sizes` exports each
    .safetensors at these sizes and times the exports. Returns the CSV's path.
    """
    if not (models or rivals):
        raise InputError("name at least one model: a bundle's folder, or a .tflite, .onnx or .safetensors file")
    if sizes and data is not None:
        raise InputError("--size is for time alone: its files are not calibrated, so they are not scored on --data")
    if sizes and any(model.suffix not in (".safetensors", *PEER_SUFFIXES) for model in models):
        raise InputError("--size exports checkpoints: name .safetensors files (and peers)")
    measure = measure or Measure()
    bar = progress or Progress(disable=True)
    say = bar.console.print if progress else lambda _: None
    with ExitStack() as stack:
        contestants: list[Contestant] = []
        for model in models:
            if sizes and model.suffix == ".safetensors":
                for folder in stack.enter_context(resized_bundles(model, sizes, say)):
                    contestants += gather(folder, threads, engines=engines)
            else:
                contestants += gather(model, threads, engines=engines)
        if models and not contestants:
            raise InputError("none of the chosen backends runs any of these files")
        size = contestants[0].contract.size if contestants else (sizes or [SIZE])[0]
        if rivals:
            for folder in stack.enter_context(rival_bundles(size, rivals, say)):
                contestants += gather(folder, threads, trained=False, engines=engines)
        rows = [facts(c) for c in contestants]
        if data is not None:
            _score(contestants, rows, data, bar)
        timings = _time(contestants, rows, measure, bar)
        _costs(contestants, rows, measure, bar)
    name = "latency_sizes" if sizes and models else f"latency_{size[0]}x{size[1]}"
    names = names_of(rows)
    rounds = [
        {"round": number, **{name: t.rounds[number] for name, t in zip(names, timings, strict=True)}}
        for number in range(measure.runs)
    ]
    write_csv(out / f"{name}_rounds.csv", rounds)
    write_csv(out / f"{name}.csv", [row | provenance() for row in rows])
    draw_latency(out / f"{name}.csv")
    return out / f"{name}.csv"


def draw_latency(csv: Path) -> None:
    """Write the Markdown table and the plots of a latency CSV beside it."""
    rows = read_csv(csv)
    csv.with_suffix(".md").write_text(latency_markdown(rows) + "\n", encoding="utf-8")
    plots.plot_latency(csv.with_suffix(".png"), rows)
    if any(row["fg_iou_per_image"] for row in rows):
        plots.plot_pareto(csv.with_name(f"{csv.stem}_pareto.png"), rows)
    if any(row["model"] in PUBLISHED_MIOU for row in rows):
        plots.plot_published(csv.with_name(f"{csv.stem}_published.png"), rows, PUBLISHED_MIOU)


def _time(
    contestants: Sequence[Contestant], rows: Sequence[dict[str, object]], measure: Measure, bar: Progress
) -> list[Timing]:
    """Time the models, and the whole way of a picture, all in turn; the figures go into `rows`."""
    rng = np.random.default_rng(0)
    calls = [_call(c, rng) for c in contestants]
    if measure.end_to_end:
        calls += [_whole_call(c, rng) for c in contestants]
    task = bar.add_task("timing", total=measure.runs + _WARMUP)
    timings = interleave(calls, measure.runs, _WARMUP, on_round=lambda: bar.advance(task))
    models, wholes = timings[: len(contestants)], timings[len(contestants) :]
    for row, timing in zip(rows, models, strict=True):
        row |= {key: getattr(timing, key) for key in ("median_ms", "p90_ms", "iqr_ms", "runs")}
    for row, timing in zip(rows, wholes, strict=False):
        row["end_to_end_ms"] = timing.median_ms
    return models


def _costs(
    contestants: Sequence[Contestant], rows: Sequence[dict[str, object]], measure: Measure, bar: Progress
) -> None:
    """What one by one is measured: fresh processes, and energy where the machine tells it."""
    meter = EnergyMeter()
    task = bar.add_task("cold starts", total=len(contestants) if measure.cold_starts else 0)
    rng = np.random.default_rng(0)
    for contestant, row in zip(contestants, rows, strict=True):
        if meter.readable:
            row["millijoules"] = meter.millijoules_per_call(_call(contestant, rng))
        if measure.cold_starts and not isinstance(contestant.segmenter.backend, PeerBackend):
            row |= cold_start(contestant.path, contestant.engine.key, contestant.threads, measure.cold_starts)
        bar.advance(task)


def _score(contestants: Sequence[Contestant], rows: Sequence[dict[str, object]], data: Source, bar: Progress) -> None:
    scored: dict[Path, float] = {}
    for contestant, row in zip(contestants, rows, strict=True):
        if not contestant.trained:
            continue
        if contestant.path not in scored:
            task = bar.add_task(f"scoring {contestant.path.name}", total=len(data))
            summary = evaluate(contestant.segmenter, data, partial(bar.advance, task)).summary()
            scored[contestant.path] = summary["fg_iou_per_image"]
        row["fg_iou_per_image"] = scored[contestant.path]


def _call(contestant: Contestant, rng: np.random.Generator) -> Callable[[], object]:
    """The model alone, on noise of its own size."""
    image = rng.integers(0, 256, (1, *contestant.contract.size, 3), np.uint8)
    backend = contestant.segmenter.backend
    if isinstance(backend, PeerBackend):  # whose graph does not normalise: that is not held against it
        prepared = backend.prepare(image)
        return lambda: backend.infer(prepared)
    return _with_threads(contestant, lambda: backend.run(image))


def _whole_call(contestant: Contestant, rng: np.random.Generator) -> Callable[[], object]:
    """A 720p picture in, its mask of the same size out: letterbox, model, and back."""
    frame = rng.integers(0, 256, (*_FRAME, 3), np.uint8)
    backend = contestant.segmenter.backend
    if isinstance(backend, PeerBackend):  # by the calls that its users make, not by ours
        return lambda: backend.mask(frame)
    return _with_threads(contestant, lambda: contestant.segmenter.alpha_bytes(frame))


def _with_threads(contestant: Contestant, call: Callable[[], object]) -> Callable[[], object]:
    """torch has one count of threads for the whole process: set before each of its calls."""
    if contestant.format != "torch":
        return call

    def run_torch() -> object:
        torch.set_num_threads(contestant.threads)
        return call()

    return run_torch
