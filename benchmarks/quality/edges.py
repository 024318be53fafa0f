"""What levels and edge refinement bring on real photographs, and what refinement costs on a 1280x720 frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.progress import Progress

from ...runtime.compositing.levels import levels
from ...runtime.compositing.refine import refine_alpha
from ...runtime.compositing.smoothing import AlphaSmoother
from ...runtime.metrics import IGNORE
from ...runtime.segmenter import Segmenter
from ...train.datasets import Source
from ..latency.clip import sample_portrait
from ..latency.contestants import open_contestant
from ..latency.timing import interleave
from ..reporting.table import formatted, provenance, write_csv
from .accuracy import score

_FRAME = (720, 1280)


def benchmark_edges(
    models: Sequence[Path], sets: Sequence[tuple[str, Source]], out: Path, threads: int, bar: Progress
) -> Path:
    """Write edges.csv into `out`: foreground and boundary IoU of each model on each set, plain and refined.

    Beside them the mean absolute error of alpha (0..1): as the model gives it, with levels, and refined.
    """
    plain, refined = (score(models, sets, bar, edge_refine) for edge_refine in (False, True))
    cost = refinement_ms(open_contestant(models[0]), threads)
    rows = []
    contestants = [(source, model) for _, source in sets for model in models]
    for before, after, (source, model) in zip(plain, refined, contestants, strict=True):
        row = {"set": before.set, "file": before.file, "images": before.row["images"]}
        for metric in ("fg_iou_per_image", "boundary_iou"):
            row |= {f"{metric}_plain": before.row[metric], f"{metric}_refined": after.row[metric]}
        row |= alpha_errors(open_contestant(model), source)
        rows.append({**row, "ms_at_720p": cost, "threads": threads, **provenance()})
    write_csv(out / "edges.csv", rows)
    return out / "edges.csv"


def alpha_errors(segmenter: Segmenter, source: Source) -> dict[str, float]:
    """Mean absolute difference of alpha from the true mask, over known pixels, then over pictures."""
    found: dict[str, list[float]] = {"alpha_error": [], "alpha_error_levels": [], "alpha_error_refined": []}
    for index in range(len(source)):
        image, truth = source.read(index)
        box, small = segmenter.small_alpha(image)
        alphas = box.undo(small) * 255, box.undo(levels(small)), refine_alpha(image, box.content(small))
        known = truth != IGNORE
        for errors, alpha in zip(found.values(), alphas, strict=True):
            errors.append(float(np.abs(alpha / np.float32(255) - (truth == 1))[known].mean()))
    return {name: float(np.mean(errors)) for name, errors in found.items()}


def refinement_ms(segmenter: Segmenter, threads: int, runs: int = 40) -> float:
    """Milliseconds that refinement takes on one frame beyond the plain resize of alpha, medians taken in turns.

    As in a clip: what comes out is smoothed between frames.
    """
    frame = cv2.resize(sample_portrait(), _FRAME[::-1])
    box, small = segmenter.small_alpha(frame)
    steady = AlphaSmoother()
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        plain, refined = interleave(
            [
                lambda: box.undo(levels(small)),
                lambda: refine_alpha(frame, box.content(small), steady),
            ],
            runs=runs,
        )
    finally:
        cv2.setNumThreads(before)
    return refined.median_ms - plain.median_ms


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of edges.csv as Markdown: foreground and boundary IoU and alpha's error, plain and refined."""
    return formatted(
        rows,
        {
            "held-out set": "{set}",
            "images": "{images:.0f}",
            "fg IoU": "{fg_iou_per_image_plain:.4f}",
            "refined fg IoU": "{fg_iou_per_image_refined:.4f}",
            "boundary IoU": "{boundary_iou_plain:.4f}",
            "refined boundary IoU": "{boundary_iou_refined:.4f}",
            "alpha error": "{alpha_error:.4f}",
            "with levels": "{alpha_error_levels:.4f}",
            "refined": "{alpha_error_refined:.4f}",
        },
    )
