"""`folder`: images/* with masks/* of the same stem. The layout for one's own photographs.

Beside them may lie confidence/*.png, as `portraitnet data label` writes it: pixels below one half are unknown.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.media.masks import load_mask, load_person_mask
from ...runtime.metrics import IGNORE
from .base import HALF, PORTRAIT_CLASSES, FileSource, Item, MattingSource
from .listing import pair_by_stem, split_by_hash

CONFIDENCE = "confidence"
_SURELY_WHITE = 240  # of 255: lighter values are white that a JPEG or a resize has touched


class Folder(FileSource):
    """Masks are 0/1 (255: unknown), 0/255, or soft; with more than two `classes`, label numbers."""

    def __init__(
        self,
        root: Path,
        split: str = "all",
        holdout: float = 0.2,
        test_share: float = 0.0,
        classes: tuple[str, ...] = PORTRAIT_CLASSES,
    ) -> None:
        pairs, self.skipped = pair_by_stem(root / "images", root / "masks")
        if not pairs:
            raise InputError(f"{root}: no picture in images/ has a mask of the same name in masks/")
        self.classes = classes
        self.items = split_by_hash(pairs, split, holdout, test_share)
        self.confidence = root / CONFIDENCE

    def read_mask(self, item: Item) -> np.ndarray:
        labels, sure = self._labels(item), self._confidence_of(item)
        if sure is None:
            return labels
        confidence = load_mask(sure)
        if confidence.shape != labels.shape:
            raise InputError(f"{sure} is not as large as {item.mask}")
        return np.where(confidence > HALF, labels, IGNORE).astype(np.uint8)

    def files(self, index: int) -> tuple[Path, ...]:
        sure = self._confidence_of(self.items[index])
        return super().files(index) if sure is None else (*super().files(index), sure)

    def _confidence_of(self, item: Item) -> Path | None:
        path = self.confidence / f"{item.image.stem}.png"
        return path if path.is_file() else None

    def _labels(self, item: Item) -> np.ndarray:
        return load_mask(item.mask) if len(self.classes) > 2 else person_labels(load_person_mask(item.mask), item.mask)


class AlphaFolder(MattingSource):
    """images/* with masks/* of the same stem, whose grey values are true alpha, 0..255."""

    def __init__(self, root: Path, split: str = "all", holdout: float = 0.2, test_share: float = 0.0) -> None:
        pairs, self.skipped = pair_by_stem(root / "images", root / "masks")
        if not pairs:
            raise InputError(f"{root}: no picture in images/ has a mask of the same name in masks/")
        self.items = split_by_hash(pairs, split, holdout, test_share)

    def read_alpha(self, item: Item) -> np.ndarray:
        return load_person_mask(item.mask)


def person_labels(mask: np.ndarray, path: Path) -> np.ndarray:
    """Labels 0, 1 and IGNORE of a uint8 mask of people, by the values that it holds.

    0 and 1 are labels, and 255 beside a 1 is unknown. Without a 1, 255 is a person; of soft masks what is above one
    half. Raises InputError for values that could be read in several ways, as a trimap's 128 beside 0 and 255.
    """
    values = set(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist())
    if values <= {0, 1, IGNORE} and (1 in values or IGNORE not in values):
        return mask
    low, high = sorted(v for v in values if 0 < v <= HALF), sorted(v for v in values if v > HALF)
    trimap = not low and len(high) == 2 and high[0] < _SURELY_WHITE and high[1] == 255
    if not high or trimap or (high == [255] and low):
        shown = ", ".join(map(str, sorted(values)[:6]))
        raise InputError(
            f"{path}: unknown values {shown}: a person's mask holds 0 and 1 (255 for unknown pixels), or 0 and 255. "
            "For label numbers name the classes (model.classes)"
        )
    return (mask > HALF).astype(np.uint8)
