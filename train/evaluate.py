"""Scores of any Segmenter on any data set, by one piece of code, and a sheet of its worst cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..runtime.errors import InputError
from ..runtime.media.images import IMAGE_SUFFIXES, list_images, load_image
from ..runtime.metrics import IGNORE, SegmentationScores
from ..runtime.segmenter import Segmenter
from .data.choice import cover_classes, spread
from .data.sheets import errors, overlay, paint, tile, write_sheet
from .datasets import Source, has_alpha, recognise


def evaluate(
    segmenter: Segmenter,
    source: Source,
    on_picture: Callable[[], object] = lambda: None,
    limit: int = 0,
) -> SegmentationScores:
    """Score every picture of `source` at its own size; `limit` keeps the first so many.

    Where the set knows true alpha, the errors of the alpha that compositing would use are measured as well.
    """
    scores = SegmentationScores.of(source.classes)
    for index in range(min(limit or len(source), len(source))):
        image, truth = source.read(index)
        if segmenter.contract.task == "portrait":
            labels, alpha = segmenter.labels_and_alpha(image)
            scores.add(source.name(index), labels, truth, alpha, source.alpha(index) if has_alpha(source) else None)
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
        shown = (paint(truth), paint(found), errors(image, found, truth, scores.background))
        rows.append([tile(image, text), *(tile(picture) for picture in shown)])
    write_sheet(path, rows)


class Shot(NamedTuple):
    """A picture for a figure, and its truth where there is one."""

    name: str
    image: np.ndarray
    truth: np.ndarray | None = None


def shots_of(source: Source, count: int = 20) -> Iterator[Shot]:
    """`count` pictures of a set that together show all of its classes, with their truths."""
    for index in cover_classes(source, count):
        yield Shot(source.name(index), *source.read(index))


def without_masks(folder: Path) -> bool:
    """Whether a folder holds photographs alone: pictures, and no set's folders."""
    return (
        folder.is_dir()
        and not recognise(folder)
        and any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())
    )


def photographs(folder: Path, count: int) -> Iterator[Shot]:
    """At most `count` photographs of a folder, evenly spread; they have no truth."""
    found = list_images(folder)
    for index in spread(len(found), count):
        yield Shot(found[index].name, load_image(found[index]))


def write_figure(path: Path, models: Mapping[str, Segmenter], shots: Iterable[Shot]) -> None:
    """Write a picture with a row for each shot: photograph, truth where there is one, and what each model finds.

    Labels are painted in VOC's colours; two classes as a tint over the photograph.
    """
    rows = []
    for shot in shots:
        row = [tile(shot.image, shot.name)]
        if shot.truth is not None:
            row.append(tile(_shown(shot.image, shot.truth, 0), "truth"))
        for name, segmenter in models.items():
            labels = segmenter.labels(shot.image)
            row.append(tile(_shown(shot.image, labels, len(segmenter.contract.classes)), name))
        rows.append(row)
    if not rows:
        raise InputError("there is no picture to show")
    write_sheet(path, rows)


def _shown(image: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    two = classes == 2 or (not classes and set(np.unique(labels).tolist()) <= {0, 1, IGNORE})
    return overlay(image, labels) if two else paint(labels)
