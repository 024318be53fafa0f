"""One figure of SAM's answers to several kinds of prompt, beside the masks of semantic models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.media.images import load_image
from ...runtime.segmenter import Segmenter
from ..data.sheets import overlay, paint, tile, write_sheet
from .sam import Point, Sam, as_labels
from .teacher import people_boxes


def write_prompts(
    path: Path,
    pictures: Sequence[Path],
    sam: Sam,
    models: Mapping[str, Segmenter],
    points: Sequence[Point] = (),
    grid: int = 16,
) -> None:
    """Write a row for each picture: photograph, every model's mask, and SAM by boxes, by points, and of everything.

    The boxes are those of the first model's people. `points` are x, y as shares of the picture, 0..1; without any,
    its middle.
    """
    if not models:
        raise InputError("name at least one model: its people's boxes are prompts")
    rows = []
    for picture in pictures:
        image = load_image(picture)
        height, width = image.shape[:2]
        found = {name: segmenter.labels(image) for name, segmenter in models.items()}
        row = [tile(image, picture.name)]
        row += [tile(_shown(image, labels, models[name]), name) for name, labels in found.items()]
        boxes = people_boxes(next(iter(found.values())) > 0)
        boxed = sam.boxes(image, boxes).logits.cpu().numpy() > 0 if boxes else np.zeros((0, height, width), bool)
        where = [(x * (width - 1), y * (height - 1)) for x, y in points or [(0.5, 0.5)]]
        pointed = sam.points(image, where).logits.cpu().numpy() > 0
        everything = sam.everything(image, grid)
        for text, masks in (("SAM, boxes", boxed), ("SAM, points", pointed), ("SAM, everything", everything)):
            row.append(tile(overlay(image, as_labels(masks)), f"{text}: {len(masks)}"))
        rows.append(row)
    write_sheet(path, rows)


def _shown(image: np.ndarray, labels: np.ndarray, segmenter: Segmenter) -> np.ndarray:
    return overlay(image, labels) if len(segmenter.contract.classes) == 2 else paint(labels)


def parse_points(texts: Sequence[str]) -> list[Point]:
    """Points `X,Y` as shares of the picture."""
    points = []
    for text in texts:
        try:
            x, y = (float(part) for part in text.split(","))
        except ValueError as error:
            raise InputError(f"point {text!r}: write X,Y as shares of the picture, as in 0.5,0.3") from error
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise InputError(f"point {text!r} lies outside the picture: both are shares, 0 to 1")
        points.append((x, y))
    return points
