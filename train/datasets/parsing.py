"""Faces and people in parts: sets whose masks name many classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.files import sha256_of
from ...runtime.geometry import resize
from ...runtime.media.images import load_image
from ...runtime.media.masks import load_mask, load_person_mask
from .base import HALF, PORTRAIT_CLASSES, FileSource, Item, OnCanvas, letterboxed
from .listing import check_split, falls_into, find_root, parts_of, pictures, read_list, with_files

EASYPORTRAIT_CLASSES = (
    *("background", "person", "skin", "left brow", "right brow", "left eye", "right eye", "lips", "teeth"),
)
# The order in which the parts' files are laid on top of each other. ear_r is an earring, neck_l a necklace.
CELEBAMASK_PARTS = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth"),
    *("u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
FASSEG_CLASSES = ("background", "skin", "hair", "eyes", "nose", "mouth")
_PARTS_PER_FOLDER = 2000
# CelebA's own partition: numbers of its pictures below the first are for training, from the second on for testing.
_CELEBA_VAL, _CELEBA_TEST = 162_771, 182_638


class EasyPortrait(FileSource):
    """EasyPortrait: images/{train,val,test}/x.jpg and annotations/{train,val,test}/x.png, nine classes."""

    classes: tuple[str, ...] = EASYPORTRAIT_CLASSES

    def __init__(self, root: Path, split: str = "train") -> None:
        parts = parts_of(split, {part: [part] for part in ("train", "val", "test")})
        find_root(root, "images", "annotations")
        items = (
            Item(f"{part}/{path.name}", path, root / "annotations" / part / f"{path.stem}.png")
            for part in parts
            for path in pictures(find_root(root, f"images/{part}") / "images" / part)
        )
        self.items, self.skipped = with_files(root, items)

    def read_mask(self, item: Item) -> np.ndarray:
        return load_mask(item.mask)


class EasyPortraitPerson(EasyPortrait):
    """EasyPortrait with everything but the background as the person."""

    classes: tuple[str, ...] = PORTRAIT_CLASSES

    def read_mask(self, item: Item) -> np.ndarray:
        return (super().read_mask(item) > 0).astype(np.uint8)


class CelebAMaskHq(FileSource):
    """CelebAMask-HQ: CelebA-HQ-img/0.jpg, and a file for each part, CelebAMask-HQ-mask-anno/0/00000_skin.png.

    Pictures (1024) are shrunk to the masks' size (512). The splits are CelebA's own where
    CelebA-HQ-to-CelebA-mapping.txt is there; else a picture's number decides. For non-commercial use only.
    """

    classes: tuple[str, ...] = ("background", *CELEBAMASK_PARTS)

    def __init__(self, root: Path, split: str = "train", holdout: float = 0.2, test_share: float = 0.0) -> None:
        home = find_root(root, "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", inside=["CelebAMask-HQ"])
        mapping = home / "CelebA-HQ-to-CelebA-mapping.txt"
        split_of = _celeba_splits(mapping) if mapping.is_file() else None
        check_split(split)
        items = []
        for path in pictures(home / "CelebA-HQ-img"):
            if not (path.stem.isascii() and path.stem.isdigit()):
                raise InputError(f"{path} is not named by a number, as CelebA-HQ's pictures are")
            number = int(path.stem)
            if split_of:
                kept = split_of.get(number) == split
            else:
                kept = falls_into(str(number).encode(), split, holdout, test_share)
            if kept or split == "all":
                folder = home / "CelebAMask-HQ-mask-anno" / str(number // _PARTS_PER_FOLDER)
                # Skin is the part that every face has; the others lie beside it.
                items.append(Item(path.stem, path, folder / f"{number:05d}_{CELEBAMASK_PARTS[0]}.png"))
        items.sort(key=lambda item: int(item.name))
        self.items, self.skipped = with_files(home, items)

    def files(self, index: int) -> tuple[Path, ...]:
        item = self.items[index]
        return item.image, *(path for _, path in self._parts(item))

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        item = self.items[index]
        mask = self.read_mask(item)
        return resize(load_image(item.image), mask.shape), mask

    def read_mask(self, item: Item) -> np.ndarray:
        labels: np.ndarray | None = None
        for label, path in self._parts(item):
            part = load_person_mask(path)
            if labels is None:
                labels = np.zeros(part.shape, np.uint8)
            if part.shape != labels.shape:
                raise InputError(f"{path} is {part.shape[1]}x{part.shape[0]}, other parts of this face are not")
            labels[part > HALF] = label
        if labels is None:
            raise InputError(f"{item.mask} is missing, and so are all other parts of this face")
        return labels

    def _parts(self, item: Item) -> list[tuple[int, Path]]:
        """The label and file of each part that this face has, in the order in which later ones overwrite."""
        number = item.mask.name.partition("_")[0]
        paths = [(label, item.mask.with_name(f"{number}_{part}.png")) for label, part in enumerate(self.classes)]
        return [(label, path) for label, path in paths[1:] if path.is_file()]

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        item = self.items[index]
        # Straight from 1024 to the canvas: the picture keeps what the masks' 512 would lose.
        return letterboxed(load_image(item.image), self.read_mask(item), canvas)


def _celeba_splits(mapping: Path) -> dict[int, str]:
    """Split of each CelebA-HQ picture, from lines of `idx orig_idx orig_file`."""
    splits = {}
    for line in read_list(mapping)[1:]:
        fields = line.split()
        if len(fields) < 2 or not (fields[0].isdigit() and fields[1].isdigit()):
            raise InputError(f"{mapping}: {line[:60]!r} does not begin with two numbers")
        number = int(fields[1])
        splits[int(fields[0])] = "train" if number < _CELEBA_VAL else "val" if number < _CELEBA_TEST else "test"
    return splits


class FasSeg(FileSource):
    """Frontal faces of FASSEG as label numbers: {train,test}/images/x.jpg and {train,test}/labels/x.png.

    Six of the 50 published test faces are among the 20 training faces, under other names: `test` is without them.
    """

    classes: tuple[str, ...] = FASSEG_CLASSES

    def __init__(self, root: Path, split: str = "train") -> None:
        parts = parts_of(split, {"train": ["train"], "test": ["test"], "val": ["test"]})
        items = {part: self._items(root, part) for part in ("train", *parts)}
        seen = {sha256_of(item.image) for item in items["train"]} if "test" in parts else set()
        items["test"] = [item for item in items.get("test", []) if sha256_of(item.image) not in seen]
        self.items, self.skipped = with_files(root, [item for part in parts for item in items[part]])

    def _items(self, root: Path, part: str) -> list[Item]:
        images = find_root(root, f"{part}/images", f"{part}/labels") / part / "images"
        return [
            Item(f"{part}/{path.name}", path, root / part / "labels" / f"{path.stem}.png") for path in pictures(images)
        ]

    def read_mask(self, item: Item) -> np.ndarray:
        return load_mask(item.mask)
