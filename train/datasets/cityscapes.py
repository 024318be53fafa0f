"""Cityscapes: street scenes, whose 34 label ids become the 19 classes that are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.media.masks import load_mask
from ...runtime.metrics import IGNORE
from .base import FileSource, Item
from .listing import find_root, folders, parts_of, pictures, with_files

CITYSCAPES_CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_TRAIN_ID = np.full(256, IGNORE, np.uint8)
_TRAIN_ID[list(_LABEL_IDS)] = range(len(_LABEL_IDS))
_IMAGE, _LABELS = "_leftImg8bit", "_gtFine_labelIds"


class Cityscapes(FileSource):
    """leftImg8bit/{train,val}/CITY/x_leftImg8bit.png, gtFine/{train,val}/CITY/x_gtFine_labelIds.png.

    The published test split has no labels and is not offered.
    """

    classes: tuple[str, ...] = CITYSCAPES_CLASSES

    def __init__(self, root: Path, split: str = "train") -> None:
        parts = parts_of(split, {"train": ["train"], "val": ["val"]})
        find_root(root, "leftImg8bit", "gtFine")
        items = (
            Item(f"{city.name}/{path.stem}", path, root / "gtFine" / part / city.name / _label_file(path))
            for part in parts
            for city in folders(root / "leftImg8bit" / part)
            for path in pictures(city)
        )
        self.items, self.skipped = with_files(root, items)

    def read_mask(self, item: Item) -> np.ndarray:
        return _TRAIN_ID[load_mask(item.mask)]


def _label_file(image: Path) -> str:
    return f"{image.stem.removesuffix(_IMAGE)}{_LABELS}.png"
