"""Scores of any Segmenter on any data set, by one piece of code, and a sheet of its worst cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..runtime.metrics import SegmentationScores
from ..runtime.segmenter import Segmenter
from .data.sheets import errors, paint, tile, write_sheet
from .datasets import Source


def evaluate(
    segmenter: Segmenter,
    source: Source,
    on_picture: Callable[[], object] = lambda: None,
    limit: int = 0,
) -> SegmentationScores:
    """Score every picture of `source` at its own size; `limit` keeps the first so many."""
    scores = SegmentationScores.of(source.classes)
    for index in range(min(limit or len(source), len(source))):
        image, truth = source.read(index)
        if segmenter.contract.task == "portrait":
            labels, alpha = segmenter.labels_and_alpha(image)
            scores.add(source.name(index), labels, truth, alpha)
        else:
            scores.add(source.name(index), segmenter.labels(image), truth)
        on_picture()
    return scores


def write_worst_cases(
    path: Path, segmenter: Segmenter, source: Source, scores: SegmentationScores, count: int = 8
) -> None:
    """Write a picture of the `count` lowest scores of a picture: image, truth, prediction, difference in rows.

    Scores are foreground IoU, or the share of pixels found where label 0 is no background.
    """
    rows = []
    for index in np.argsort(scores.per_image)[:count]:
        image, truth = source.read(int(index))
        found = segmenter.labels(image)
        text = f"{scores.per_image[index]:.3f}  {scores.names[index]}"
        shown = (paint(truth), paint(found), errors(image, found, truth))
        rows.append([tile(image, text), *(tile(picture) for picture in shown)])
    write_sheet(path, rows)
