"""PASCAL VOC 2012 segmentation: palette masks, 21 classes, 255 unknown; or its people alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.media.masks import load_mask
from ...runtime.metrics import IGNORE
from .base import PORTRAIT_CLASSES, FileSource, Item
from .listing import find_root, inside, parts_of, read_list, with_files

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
_FOLDERS = ("JPEGImages", "SegmentationClass", "ImageSets")
PERSON = VOC_CLASSES.index("person")


class Voc(FileSource):
    """`root` is VOCdevkit/VOC2012 or a folder that holds it; `split` is train, val, trainval or all."""

    classes: tuple[str, ...] = VOC_CLASSES

    def __init__(self, root: Path, split: str = "train") -> None:
        home = find_root(root, *_FOLDERS, inside=["VOC2012", "VOCdevkit/VOC2012"])
        lists = home / "ImageSets" / "Segmentation"
        parts = parts_of(split, {"train": ["train"], "val": ["val"], "trainval": ["train", "val"]})
        names = [name for part in parts for name in read_list(lists / f"{part}.txt")]
        items = (
            Item(name, inside(home, f"JPEGImages/{name}.jpg", lists), home / f"SegmentationClass/{name}.png")
            for name in names
        )
        self.items, self.skipped = with_files(home, items)

    def read_mask(self, item: Item) -> np.ndarray:
        return load_mask(item.mask)


class VocPerson(Voc):
    """VOC with the person as the only foreground class."""

    classes: tuple[str, ...] = PORTRAIT_CLASSES

    def read_mask(self, item: Item) -> np.ndarray:
        mask = super().read_mask(item)
        return np.where(mask == IGNORE, IGNORE, mask == PERSON).astype(np.uint8)
