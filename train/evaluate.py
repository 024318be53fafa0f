"""Scores of any Segmenter on any data set, by one piece of code, and a sheet of its worst cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..runtime.geometry import Letterbox
from ..runtime.images import save_image
from ..runtime.metrics import SegmentationScores
from ..runtime.segmenter import Segmenter
from .datasets import Source

_TILE = 200


def evaluate(
    segmenter: Segmenter,
    source: Source,
    on_picture: Callable[[], object] = lambda: None,
    limit: int = 0,
) -> SegmentationScores:
    """Score every picture of `source` at its own size; `limit` keeps the first so many."""
    scores = SegmentationScores(classes=len(source.classes))
    for index in range(min(limit or len(source), len(source))):
        image, truth = source.read(index)
        scores.add(source.name(index), segmenter.labels(image), truth)
        on_picture()
    return scores


def write_worst_cases(
    path: Path, segmenter: Segmenter, source: Source, scores: SegmentationScores, count: int = 8
) -> None:
    """Write a picture of the `count` lowest foreground IoUs: image, truth, prediction, difference in rows.

    Difference: red is background taken for a person, blue is person that was missed.
    """
    rows = []
    for index in np.argsort(scores.fg_iou)[:count]:
        image, truth = source.read(int(index))
        found = segmenter.labels(image)
        difference = (image // 3).astype(np.uint8)
        known = truth != 255
        difference[(found > 0) & (truth == 0) & known] = (255, 60, 60)
        difference[(found == 0) & (truth > 0) & known] = (60, 110, 255)
        tiles = [_tile(picture) for picture in (image, _paint(truth), _paint(found), difference)]
        row = np.concatenate(tiles, axis=1)
        text = f"{scores.fg_iou[index]:.3f}  {scores.names[index]}"
        cv2.putText(row, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(row, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(row)
    save_image(path, np.concatenate(rows, axis=0))


def _paint(labels: np.ndarray) -> np.ndarray:
    hues = (labels.astype(np.int64) * 47 + 10) % 180
    colours = np.stack([hues, np.full_like(hues, 120), np.full_like(hues, 235)], -1).astype(np.uint8)
    painted = cv2.cvtColor(colours, cv2.COLOR_HSV2RGB)
    painted[labels == 0] = (30, 30, 34)
    painted[labels == 255] = (128, 128, 128)
    return painted


def _tile(image: np.ndarray) -> np.ndarray:
    return Letterbox.fit(image.shape[:2], (_TILE, _TILE)).apply(image)
