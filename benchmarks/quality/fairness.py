"""For whom a model works: scores by lighting, number of people, framing and shape, as far as pictures and masks show.

Skin tone, age and sex cannot be told from a mask, and are not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.progress import Progress

from ...runtime.metrics import IGNORE
from ...train.datasets import Source, Subset, is_portrait
from ...train.datasets.base import OnCanvas, letterboxed
from ..reporting.table import markdown, provenance, write_csv
from .accuracy import Scored, score

_DARK, _BRIGHT = 60, 170  # mean luma (0..255) of the person
_BACK_LIT = 50  # by how much the background is brighter
_SMALL, _LARGE = 0.08, 0.35  # share of the picture that people cover
_PIECE = 0.1  # of the foreground: smaller pieces do not count as a person
_SHAPES = {"16:9": 16 / 9, "9:16": 9 / 16}  # of webcams and of phones held upright
_HEADROOM = 0.15  # of a crop's height, above the people


def groups_of(image: np.ndarray, labels: np.ndarray) -> list[str]:
    """The groups that a picture (uint8 RGB) belongs to by its true mask, one for each question."""
    person, known = labels == 1, labels != IGNORE
    if not person.any():
        return ["people: none"]
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    own, behind = luma[person].mean(), luma[~person & known].mean() if (~person & known).any() else 0.0
    count, _, pieces, _ = cv2.connectedComponentsWithStats(person.astype(np.uint8))
    people = int((pieces[1:count, cv2.CC_STAT_AREA] >= _PIECE * person.sum()).sum())
    share = person.sum() / known.sum()
    return [
        f"light: {'dark' if own < _DARK else 'bright' if own > _BRIGHT else 'ordinary'}",
        f"contrast: {'back-lit' if behind - own > _BACK_LIT else 'other'}",
        f"people: {min(people, 3)}{' or more' if people >= 3 else ''}",
        f"size: {'small' if share < _SMALL else 'large' if share > _LARGE else 'medium'}",
        f"framing: {'portrait' if is_portrait(labels) else 'other'}",
    ]


class Cropped(Subset):
    """A Source cut to a shape: the largest crop of that width over height, about the upper part of its people."""

    def __init__(self, source: Source, shape: float) -> None:
        super().__init__(source, range(len(source)))
        self.shape = shape

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels = super().read(index)
        height, width = labels.shape
        rows, columns = round(min(height, width / self.shape)), round(min(width, height * self.shape))
        top, left = (height - rows) // 2, (width - columns) // 2
        people = np.argwhere(labels == 1)
        if len(people):
            top = int(np.clip(people[:, 0].min() - _HEADROOM * rows, 0, height - rows))
            left = int(np.clip(people[:, 1].mean() - columns / 2, 0, width - columns))
        inside = slice(top, top + rows), slice(left, left + columns)
        return np.ascontiguousarray(image[inside]), labels[inside]

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        return letterboxed(*self.read(index), canvas)


def benchmark_fairness(
    models: Sequence[Path], sets: Sequence[tuple[str, Source]], out: Path, progress: Progress
) -> Path:
    """Write fairness.csv into `out`: a row for each model, set and group, with the mean and the worst tenth.

    The groups named `shape` are all the pictures of a set, each cut to that shape.
    """
    rows: list[dict[str, object]] = []
    members: dict[str, dict[str, list[int]]] = {}
    for label, source in sets:
        task = progress.add_task(f"{label}, groups", total=len(source))
        members[label] = {"all": list(range(len(source)))}
        for index in range(len(source)):
            for group in groups_of(*source.read(index)):
                members[label].setdefault(group, []).append(index)
            progress.advance(task)
    for one in score(models, sets, progress):
        rows += [_row(one, group, chosen) for group, chosen in sorted(members[one.set].items())]
    for name, shape in _SHAPES.items():
        for one in score(models, [(label, Cropped(source, shape)) for label, source in sets], progress):
            rows.append(_row(one, f"shape: {name}", members[one.set]["all"]))
    write_csv(out / "fairness.csv", rows)
    return out / "fairness.csv"


def _row(one: Scored, group: str, chosen: list[int]) -> dict[str, object]:
    found = np.array(one.scores.fg_iou)[chosen]
    return {
        "set": one.set,
        "file": one.file,
        "group": group,
        "images": len(chosen),
        "fg_iou_per_image": float(found.mean()),
        "worst_tenth": float(np.quantile(found, 0.1)),
        "boundary_iou": float(np.array(one.scores.boundary)[chosen].mean()),
        **provenance(),
    }


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of fairness.csv as Markdown: foreground IoU, a line for each group, a column for each model."""
    several = len({row["set"] for row in rows}) > 1
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        named = {"set": row["set"]} if several else {}
        line = lines.setdefault((row["set"], row["group"]), {**named, "group": row["group"], "images": row["images"]})
        line[Path(row["file"]).stem] = f"{float(row['fg_iou_per_image']):.3f}"
    return markdown(list(lines.values()), {key: key for line in lines.values() for key in line})
