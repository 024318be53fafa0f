"""`folder`: images/* with masks/* of the same stem. The layout for one's own photographs.

Beside them may lie confidence/*.png, as `portraitnet data label` writes it: pixels below one half are unknown.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.media.images import load_mask
from ...runtime.metrics import IGNORE
from .base import HALF, PORTRAIT_CLASSES, FileSource, Item
from .listing import pair_by_stem, split_by_hash

CONFIDENCE = "confidence"


class Folder(FileSource):
    """Masks are 0/1, or 0..255 with the person above 127; with more than two `classes`, label numbers."""

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
        mask = load_mask(item.mask)
        if len(self.classes) > 2 or mask.max() <= 1:
            return mask
        if mask.max() <= HALF:
            raise InputError(
                f"{item.mask}: unknown values up to {mask.max()}; a person's mask holds 0/1, or 0/255. "
                "For label numbers name the classes (model.classes)"
            )
        return (mask > HALF).astype(np.uint8)
