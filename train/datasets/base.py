"""What every data set is to the training loop: named pictures, each with a mask of class labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeGuard, runtime_checkable

import cv2
import numpy as np

from ...runtime.errors import InputError
from ...runtime.geometry import Letterbox, resize
from ...runtime.media.images import load_image
from ...runtime.metrics import IGNORE

PORTRAIT_CLASSES = ("background", "person")
_SIDES = (("left ", "right "), ("left_", "right_"), ("l_", "r_"))
HALF = 127  # of 255: masks and alphas above it are the person
Rect = tuple[int, int, int, int]
OnCanvas = tuple[np.ndarray, np.ndarray, Rect]


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

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        """The picture and its labels letterboxed into `canvas` (height, width), and where it lies there."""
        ...


@runtime_checkable
class SoftSource(Source, Protocol):
    """A data set that may know true alpha beside its labels; see `has_alpha`."""

    @property
    def soft(self) -> bool:
        """Whether it knows alpha: a Subset of a set of labels does not."""
        ...

    def alpha(self, index: int) -> np.ndarray:
        """True alpha of the picture that `read` gives, uint8 height x width, 0..255."""
        ...

    def alpha_on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        """As `on_canvas`, with alpha in place of the labels."""
        ...


def has_alpha(source: Source) -> TypeGuard[SoftSource]:
    """Whether a data set knows true alpha."""
    return isinstance(source, SoftSource) and source.soft


@runtime_checkable
class LayeredSource(SoftSource, Protocol):
    """A data set that may know the colours of person and background beside alpha; see `has_layers`."""

    @property
    def layered(self) -> bool:
        """Whether it knows them."""
        ...

    def contrast_on_canvas(self, index: int, canvas: tuple[int, int]) -> np.ndarray:
        """How far the person's colours are from the background's, where `on_canvas` puts the picture.

        uint8, the size of `canvas`: the mean over RGB of |foreground - background|, 0..255.
        """
        ...


def has_layers(source: Source) -> TypeGuard[LayeredSource]:
    """Whether a data set knows the colours of person and background."""
    return isinstance(source, LayeredSource) and source.layered


class SoftMasks:
    """A data set whose canvases hold true alpha, 0..255, in place of labels; `read` gives labels as before."""

    def __init__(self, source: SoftSource) -> None:
        self.source, self.classes = source, source.classes

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def files(self, index: int) -> tuple[Path, ...]:
        return self.source.files(index)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.source.read(index)

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        return self.source.alpha_on_canvas(index, canvas)


def labels_on_canvas(source: Source, mask: np.ndarray) -> np.ndarray:
    """Labels of what a set's canvas holds beside the picture."""
    return (mask > HALF).astype(np.uint8) if isinstance(source, SoftMasks) else mask


class FileSource:
    """A Source over Items; subclasses fill `items` and say how a mask file becomes labels.

    `skipped` are the names of pictures that lack a file.
    """

    classes: tuple[str, ...] = PORTRAIT_CLASSES
    items: Sequence[Item]
    skipped: Sequence[str]

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
        check_same_size(item, image, mask)
        return image, self.check_labels(item, mask)

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        return letterboxed(*self.read(index), canvas)

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


class MattingSource(FileSource):
    """Items with soft alpha: a person is where alpha is above one half, once it has its final size."""

    soft = True

    def read_alpha(self, item: Item) -> np.ndarray:
        """uint8 alpha height x width, 0..255."""
        raise NotImplementedError(type(self).__name__)

    def read_mask(self, item: Item) -> np.ndarray:
        return (self.read_alpha(item) > HALF).astype(np.uint8)

    def alpha(self, index: int) -> np.ndarray:
        return self.read_alpha(self.items[index])

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        image, alpha, rect = self.alpha_on_canvas(index, canvas)
        return image, (alpha > HALF).astype(np.uint8), rect

    def alpha_on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        item = self.items[index]
        image, alpha = load_image(item.image), self.read_alpha(item)
        check_same_size(item, image, alpha)
        box = Letterbox.fit(alpha.shape, canvas)
        placed = np.zeros(canvas, np.uint8)
        box.content(placed)[:] = resize(alpha, (box.height, box.width))
        return box.apply(image), placed, (box.top, box.left, box.height, box.width)


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

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        return self.source.on_canvas(self.indices[index], canvas)

    @property
    def soft(self) -> bool:
        return has_alpha(self.source)

    def alpha(self, index: int) -> np.ndarray:
        return self._soft_source().alpha(self.indices[index])

    def alpha_on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        return self._soft_source().alpha_on_canvas(self.indices[index], canvas)

    @property
    def layered(self) -> bool:
        return has_layers(self.source)

    def contrast_on_canvas(self, index: int, canvas: tuple[int, int]) -> np.ndarray:
        if not has_layers(self.source):
            raise ValueError("this data set does not know the colours of person and background")
        return self.source.contrast_on_canvas(self.indices[index], canvas)

    def _soft_source(self) -> SoftSource:
        if not has_alpha(self.source):
            raise ValueError("this data set has labels alone, no alpha")
        return self.source


def mirrored_classes(classes: Sequence[str]) -> tuple[int, ...]:
    """What each label is called once its picture is mirrored: a left eye becomes a right one.

    Sides are told by the names ("left eye" and "right eye", "l_eye" and "r_eye"), where both are there: the lips of
    CelebAMask-HQ, u_lip and l_lip, are upper and lower.
    """
    partner: dict[str, str] = {}
    for left, right in _SIDES:
        for name in classes:
            other = right + name.removeprefix(left)
            if name.startswith(left) and other in classes:
                partner |= {name: other, other: name}
    return tuple(classes.index(partner.get(name, name)) for name in classes)


def check_same_size(item: Item, image: np.ndarray, mask: np.ndarray) -> None:
    """Refuse a mask that is not as large as its picture."""
    if image.shape[:2] != mask.shape:
        raise InputError(
            f"{item.mask}: the mask is {mask.shape[1]}x{mask.shape[0]} but its picture "
            f"{item.image.name} is {image.shape[1]}x{image.shape[0]}"
        )


def letterboxed(image: np.ndarray, mask: np.ndarray, canvas: tuple[int, int]) -> OnCanvas:
    """Picture and labels on a `canvas` (height, width), and the (top, left, height, width) that they fill."""
    box = Letterbox.fit(mask.shape[:2], canvas)
    return box.apply(image), box.apply_mask(mask), (box.top, box.left, box.height, box.width)


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
