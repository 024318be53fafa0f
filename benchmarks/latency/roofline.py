"""`portraitnet benchmark roofline`: where a model's time goes, and how near each layer is to its limits.

Every operator of a .tflite is timed as a model of its own (layers.py), all in turn. Its floor is the larger of
MACs / measured peak and bytes / measured bandwidth (Williams, Waterman, Patterson: "Roofline", CACM 2009); floor / time
is the share of what the machine could do. Peak: the best 1x1 convolution of the same precision in the same engine.
Bandwidth: a copy of about an activation's size, since activations of such models stay in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from ...export.models import precision_of
from ...runtime.backends import open_backend
from ...runtime.backends.announcements import allocate
from ...runtime.errors import InputError
from ..reporting.table import formatted, provenance, read_csv, write_csv
from .layers import Layer, dense_layer, layers_of
from .timing import interleave

_PEAK_SHAPES = ((256, 28), (512, 28), (512, 14), (1024, 14))  # channels, side
_COPY_BYTES = 1 << 20
SLOWEST = 5


@dataclass(frozen=True)
class Limits:
    """What this machine did at best: multiply-accumulates and copied bytes per second (read and written)."""

    macs_per_second: float
    bytes_per_second: float

    def floor_ms(self, layer: Layer) -> float:
        """The time below which no kernel could come."""
        return 1000 * max(layer.macs / self.macs_per_second, layer.moved / self.bytes_per_second)

    def bound(self, layer: Layer) -> str:
        """What a layer waits for at best: compute or memory."""
        by_compute = layer.macs / self.macs_per_second
        return "compute" if by_compute >= layer.moved / self.bytes_per_second else "memory"


def benchmark_roofline(
    models: Sequence[Path], out: Path, threads: int, runs: int, progress: Progress | None = None
) -> Path:
    """Time every layer of each .tflite; writes roofline_NAME.csv and .png for each. Returns the last CSV's path."""
    path = out
    for model in models:
        if model.suffix != ".tflite" or not model.is_file():
            raise InputError(f"{model} is no .tflite file: layers are timed in LiteRT")
        path = _one(model, out, threads, runs, progress or Progress(disable=True))
    if path == out:
        raise InputError("name at least one .tflite file")
    return path


def _one(model: Path, out: Path, threads: int, runs: int, bar: Progress) -> Path:
    backend = open_backend(model, threads)  # which refuses files that are not portraitnet's
    precision = "int8" if precision_of(model) == "int8" else "fp32"
    layers = layers_of(model)
    limits = measure_limits(precision, threads)
    task = bar.add_task(f"{model.name}: {len(layers)} layers", total=runs + 5)
    picture = np.random.default_rng(0).integers(0, 256, (1, *backend.contract.size, 3), np.uint8)
    calls = [_ready(layer.file, threads).invoke for layer in layers]
    timings = interleave([*calls, lambda: backend.run(picture)], runs, on_round=lambda: bar.advance(task))
    facts = {
        "threads": threads,
        "peak_gmacs": limits.macs_per_second / 1e9,
        "copy_gb_per_second": limits.bytes_per_second / 1e9,
        "runs": runs,
        **provenance(),
    }
    rows: list[dict[str, object]] = [
        {
            "layer": layer.name,
            "operator": layer.operator,
            "type": layer.type,
            "macs": layer.macs,
            "bytes": layer.moved,
            "median_ms": timing.median_ms,
            "iqr_ms": timing.iqr_ms,
            "floor_ms": limits.floor_ms(layer),
            "share_of_limit": limits.floor_ms(layer) / timing.median_ms,
            "bound": limits.bound(layer),
            **facts,
        }
        for layer, timing in zip(layers, timings, strict=False)
    ]
    rows.append(_whole(layers, limits, timings[-1].median_ms, timings[-1].iqr_ms) | facts)
    path = out / f"roofline_{model.stem.removeprefix('portraitnet-')}_{precision}.csv"
    write_csv(path, rows)
    from ..reporting import plots

    plots.plot_roofline(path.with_suffix(".png"), read_csv(path), SLOWEST)
    return path


def _whole(layers: Sequence[Layer], limits: Limits, median_ms: float, iqr_ms: float) -> dict[str, object]:
    """The row of the whole model. Its floor is that of its layers, one after the other."""
    floor = sum(limits.floor_ms(layer) for layer in layers)
    return {
        "layer": "whole model",
        "operator": "",
        "type": "",
        "macs": sum(layer.macs for layer in layers),
        "bytes": sum(layer.moved for layer in layers),
        "median_ms": median_ms,
        "iqr_ms": iqr_ms,
        "floor_ms": floor,
        "share_of_limit": floor / median_ms,
        "bound": "",
    }


def measure_limits(precision: str, threads: int) -> Limits:
    """This machine's best, now: `precision` is fp32 or int8."""
    dense = [dense_layer(precision, channels, side) for channels, side in _PEAK_SHAPES]
    source = np.zeros(_COPY_BYTES, np.uint8)
    target = np.empty_like(source)
    calls = [_ready(layer.file, threads).invoke for layer in dense]
    timings = interleave([*calls, lambda: np.copyto(target, source)], runs=30)
    peak = max(layer.macs / min(t.rounds) for layer, t in zip(dense, timings, strict=False))
    return Limits(1000 * peak, 1000 * 2 * _COPY_BYTES / min(timings[-1].rounds))


def slowest(rows: Sequence[Mapping[str, str]], count: int = SLOWEST) -> list[Mapping[str, str]]:
    """The layers that take the most time."""
    layers = [row for row in rows if row["layer"] != "whole model"]
    return sorted(layers, key=lambda row: -float(row["median_ms"]))[:count]


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of roofline_NAME.csv as Markdown: the slowest layers, and the whole model."""
    return formatted(
        [*slowest(rows), rows[-1]],
        {
            "layer": "{layer}",
            "ms": "{median_ms:.2f}",
            "M MACs": "{million_macs:.1f}",
            "share of its limit": "{share_of_limit:.2f}",
            "limit": "{bound}",
        },
    )


def _ready(file: bytes, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file, num_threads=threads)
    allocate(interpreter)
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], np.ones(given["shape"], given["dtype"]))
    return interpreter
