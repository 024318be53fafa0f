"""Alpha against true alpha: without refinement, with the guided filter, and with closed-form matting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from ...runtime.compositing.levels import levels
from ...runtime.compositing.matting import check_matting, matted_alpha
from ...runtime.compositing.refine import refine_alpha
from ...runtime.errors import InputError
from ...runtime.geometry import Letterbox
from ...runtime.matte_metrics import matte_errors
from ...runtime.metrics import boundary_iou
from ...train.datasets.base import HALF, SoftSource
from ...train.datasets.folder import AlphaFolder
from ...train.datasets.synthetic import SyntheticMattes
from ..reporting.table import formatted, provenance, write_csv
from .accuracy import open_all

_INPUT = (320, 240)  # height and width of the input for which portraits are rendered, at twice its size

# How alpha is made from the picture, where it lies in the model's input, and what the model says.
Maker = Callable[[np.ndarray, Letterbox, np.ndarray], np.ndarray]
_MAKERS: dict[str, Maker] = {
    "none": lambda image, box, small: box.undo(levels(small)),
    "guided filter": lambda image, box, small: refine_alpha(image, box.content(small)),
    "matting": lambda image, box, small: matted_alpha(image, refine_alpha(image, box.content(small))),
}


def benchmark_mattes(
    models: Sequence[Path],
    folders: Sequence[Path],
    rendered: int,
    matting: bool,
    out: Path,
    bar: Progress,
    holdout: float = 0.0,
) -> Path:
    """Write mattes.csv into `out`: errors of alpha of each model, on each set, after each refinement.

    `folders` hold images/ and masks/ whose grey values are alpha; `rendered` portraits with strands of hair come
    beside them. With `holdout` only the share of the folders' pictures counts that a recipe's source of the same
    `holdout` keeps from training. Raises InputError when `matting` is wanted and PyMatting is not installed, and when
    a folder holds nothing back.
    """
    if matting:
        check_matting()
    sets: list[tuple[str, SoftSource]] = [(folder.name, _open(folder, holdout)) for folder in folders]
    if rendered:
        sets.append(("rendered", SyntheticMattes(_INPUT, "val", rendered)))
    makers = {name: make for name, make in _MAKERS.items() if matting or name != "matting"}
    rows = [row for name, source in sets for row in _rows(models, name, source, makers, bar)]
    write_csv(out / "mattes.csv", rows)
    return out / "mattes.csv"


def _open(folder: Path, holdout: float) -> AlphaFolder:
    source = AlphaFolder(folder, "val", holdout) if holdout else AlphaFolder(folder)
    if not len(source):
        raise InputError(f"{folder}: no picture is held out at --holdout {holdout:g}; raise it")
    return source


def _rows(
    models: Sequence[Path], name: str, source: SoftSource, makers: Mapping[str, Maker], bar: Progress
) -> list[dict[str, object]]:
    segmenters = open_all(models)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    task = bar.add_task(name, total=len(source))
    soft = 0.0
    for index in range(len(source)):
        image, _ = source.read(index)
        truth = source.alpha(index)
        soft += float(((truth > 0) & (truth < 255)).mean()) / len(source)
        for file, segmenter in segmenters.items():
            box, small = segmenter.small_alpha(image)
            for maker, make in makers.items():
                began = time.perf_counter()
                alpha = make(image, box, small)
                took = time.perf_counter() - began
                scores = {**matte_errors(alpha, truth), "boundary_iou": boundary_iou(alpha > HALF, truth > HALF)}
                found.setdefault((file, maker), []).append({**scores, "seconds": took})
        bar.advance(task)
    return [
        {
            "set": name,
            "file": file,
            "refinement": maker,
            "images": len(scores),
            "soft_share": soft,
            **{key: float(np.mean([one[key] for one in scores])) for key in scores[0]},
            **provenance(),
        }
        for (file, maker), scores in found.items()
    ]


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of mattes.csv as Markdown: every metric, "whole picture / unknown band"."""
    return formatted(
        rows,
        {
            "set": "{set}",
            "file": "{file}",
            "refinement": "{refinement}",
            "SAD": "{sad:.2f} / {sad_band:.2f}",
            "MSE": "{mse:.4f} / {mse_band:.4f}",
            "Grad": "{grad:.2f} / {grad_band:.2f}",
            "Conn": "{conn:.2f} / {conn_band:.2f}",
            "boundary IoU": "{boundary_iou:.3f}",
            "seconds": "{seconds:.2f}",
        },
    )
