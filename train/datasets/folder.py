"""`folder`: images/* with masks/* of the same stem. The layout for one's own photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.images import load_mask
from .base import PORTRAIT_CLASSES, FileSource, Item, pair_by_stem, split_by_hash


class Folder(FileSource):
    """Masks are 0/1, or 0..255 with the person above 127; with more than two `classes`, label numbers."""

    def __init__(
        self,
        root: Path,
        split: str = "all",
        holdout: float = 0.2,
        classes: tuple[str, ...] = PORTRAIT_CLASSES,
    ) -> None:
        pairs, self.skipped = pair_by_stem(root / "images", root / "masks")
        if not pairs:
            raise InputError(f"{root}: no picture in images/ has a mask of the same name in masks/")
        self.classes = classes
        self.items = split_by_hash(pairs, split, holdout)

    def read_mask(self, item: Item) -> np.ndarray:
        mask = load_mask(item.mask)
        if len(self.classes) > 2 or mask.max() <= 1:
            return mask
        if mask.max() <= 127:
            raise InputError(
                f"{item.mask}: unknown values up to {mask.max()}; a person's mask holds 0/1, or 0/255. "
                "For label numbers name the classes (model.classes)"
            )
        return (mask > 127).astype(np.uint8)
