"""What every data set is to the training loop: named pictures, each with a mask of class labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ...runtime.errors import InputError
from ...runtime.images import load_image
from ...runtime.metrics import IGNORE

PORTRAIT_CLASSES = ("background", "person")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Item:
    """One picture and its mask; `name` is what is printed when something is wrong with it."""

    name: str
    image: Path
    mask: Path


class Source(Protocol):
    """A data set, or one split of it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, in order."""
        ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Readable name of a picture, unique in the set."""
        ...

    def files(self, index: int) -> tuple[Path, ...]:
        """Every file that `read` opens; none for pictures that are made, which no cache can hold."""
        ...

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 RGB height x width x 3, and uint8 labels height x width with IGNORE for unknown pixels."""
        ...


class FileSource:
    """A Source over Items; subclasses fill `items` and say how a mask file becomes labels."""

    classes: tuple[str, ...] = PORTRAIT_CLASSES
    items: Sequence[Item]

    def read_mask(self, item: Item) -> np.ndarray:
        """uint8 labels height x width, IGNORE where unknown."""
        raise NotImplementedError(type(self).__name__)

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        return self.items[index].name

    def files(self, index: int) -> tuple[Path, ...]:
        return self.items[index].image, self.items[index].mask

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        item = self.items[index]
        image, mask = load_image(item.image), self.read_mask(item)
        if image.shape[:2] != mask.shape:
            raise InputError(
                f"{item.mask}: the mask is {mask.shape[1]}x{mask.shape[0]} but its picture "
                f"{item.image.name} is {image.shape[1]}x{image.shape[0]}"
            )
        return image, self.check_labels(item, mask)

    def check_labels(self, item: Item, mask: np.ndarray) -> np.ndarray:
        """The mask itself, once every value is known to be a class or IGNORE."""
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        unknown = [int(v) for v in present if v >= len(self.classes) and v != IGNORE]
        if unknown:
            raise InputError(
                f"{item.mask}: unknown values {unknown[:5]}; expected 0 to {len(self.classes) - 1}, "
                f"or {IGNORE} for unknown pixels"
            )
        return mask


class Subset:
    """The pictures of a Source at `indices`."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self.source, self.indices, self.classes = source, indices, source.classes

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return self.source.name(self.indices[index])

    def files(self, index: int) -> tuple[Path, ...]:
        return self.source.files(self.indices[index])

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.source.read(self.indices[index])


def pair_by_stem(images: Path, masks: Path) -> tuple[list[Item], list[str]]:
    """Items for every picture with a mask of the same stem, in name order, and the names without a mask."""
    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; expected images/ and masks/ with the same file stems")
    mask_of = {path.stem: path for path in _pictures(masks)}
    pictures = _pictures(images)
    items = [Item(path.name, path, mask_of[path.stem]) for path in pictures if path.stem in mask_of]
    return items, [path.name for path in pictures if path.stem not in mask_of]


def split_by_hash(items: Sequence[Item], split: str, holdout: float) -> list[Item]:
    """The `train`, `val` or `all` part; a picture's bytes decide, so that copies never fall on both sides."""
    if split == "all":
        return list(items)
    if split not in ("train", "val"):
        raise InputError(f"split {split!r} is none of train, val, all")
    held = [_share_of_hash(item.image) < holdout for item in items]
    return [item for item, out in zip(items, held, strict=True) if out == (split == "val")]


def is_portrait(mask: np.ndarray) -> bool:
    """Whether a 0/1 mask is framed like a portrait: one person, large, cut by the picture's lower edge.

    The largest part holds 90 % of the foreground, which covers at least 12 % of the picture and 15 % of its
    last row.
    """
    person = (mask > 0) & (mask != IGNORE)
    count, _, statistics, _ = cv2.connectedComponentsWithStats(person.astype(np.uint8))
    if count < 2 or person.mean() < 0.12 or person[-1].mean() < 0.15:
        return False
    return statistics[1:, cv2.CC_STAT_AREA].max() >= 0.9 * person.sum()


def select(source: Source, keep: Callable[[np.ndarray], bool]) -> Subset:
    """The pictures whose labels satisfy `keep`."""
    return Subset(source, [index for index in range(len(source)) if keep(source.read(index)[1])])


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def _share_of_hash(path: Path) -> float:
    return int.from_bytes(hashlib.sha256(path.read_bytes()).digest()[:4], "big") / 2**32
