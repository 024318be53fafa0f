"""PASCAL VOC 2012 segmentation: palette masks, 21 classes, 255 unknown; or its people alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.images import load_mask
from ...runtime.metrics import IGNORE
from .base import PORTRAIT_CLASSES, FileSource, Item

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
PERSON = VOC_CLASSES.index("person")


class Voc(FileSource):
    """`root` is VOCdevkit/VOC2012 or a folder that holds it; `split` is train, val, trainval or all."""

    classes: tuple[str, ...] = VOC_CLASSES

    def __init__(self, root: Path, split: str = "train") -> None:
        places = [root, root / "VOC2012", root / "VOCdevkit" / "VOC2012"]
        home = next((place for place in places if (place / "ImageSets").is_dir()), None)
        if home is None:
            raise InputError(f"{root} holds no VOC2012 tree (JPEGImages, SegmentationClass, ImageSets)")
        parts = {"all": ["train", "val"], "trainval": ["train", "val"]}.get(split, [split])
        names: list[str] = []
        for part in parts:
            listing = home / "ImageSets" / "Segmentation" / f"{part}.txt"
            if not listing.is_file():
                raise InputError(f"{listing} is missing; splits are train, val and all")
            names += listing.read_text(encoding="utf-8").split()
        self.items = [
            Item(name, home / "JPEGImages" / f"{name}.jpg", home / "SegmentationClass" / f"{name}.png")
            for name in names
        ]
        missing = [str(path) for i in self.items for path in (i.image, i.mask) if not path.is_file()]
        if missing:
            raise InputError(f"{len(missing)} files of {home} are missing, the first is {missing[0]}")

    def read_mask(self, item: Item) -> np.ndarray:
        return load_mask(item.mask)


class VocPerson(Voc):
    """VOC with the person as the only foreground class."""

    classes: tuple[str, ...] = PORTRAIT_CLASSES

    def read_mask(self, item: Item) -> np.ndarray:
        mask = super().read_mask(item)
        return np.where(mask == IGNORE, IGNORE, mask == PERSON).astype(np.uint8)
