"""Class frequencies of the training masks, the weights derived from them, and the classes that never occur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...runtime.errors import InputError
from ...runtime.metrics import IGNORE
from ..datasets import Source
from ..datasets.base import labels_on_canvas
from ..recipe import SourceSpec
from .cache import PictureCache

ENOUGH = 2000  # pictures that are enough to estimate the class shares of a set; taken evenly from all of it


@dataclass(frozen=True)
class ClassShares:
    """Of each class: its share of all known pixels, and the share of pictures that show it."""

    pixels: np.ndarray
    pictures: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """1 / ln(1.02 + share of pixels), 1.4 to 50, scaled so that their mean is 1 (Paszke et al., 2016)."""
        weights = 1 / np.log(1.02 + self.pixels)
        return weights / weights.mean()


class ClassCounter:
    """Adds up masks of any size; a picture counts by its weight, not by its pixels."""

    def __init__(self, classes: int) -> None:
        self.pixels, self.pictures, self.weight = np.zeros(classes), np.zeros(classes), 0.0

    def add(self, labels: np.ndarray, weight: float = 1.0) -> None:
        """Count one picture's uint8 labels (height x width); IGNORE is left out."""
        counts = np.bincount(labels[labels != IGNORE], minlength=len(self.pixels))[: len(self.pixels)]
        self.pixels += weight * counts / max(counts.sum(), 1)
        self.pictures += weight * (counts > 0)
        self.weight += weight

    def shares(self) -> ClassShares:
        """The shares of everything added."""
        return ClassShares(self.pixels / max(self.pixels.sum(), 1e-12), self.pictures / max(self.weight, 1e-12))


def absent_classes(
    sources: Sequence[Source], caches: Sequence[PictureCache | None], classes: Sequence[str]
) -> list[str]:
    """Names of the classes without a pixel in all training sources; reads only until every class has been seen.

    Rendered pictures show people by construction: a source without files counts as having them, and is not rendered.
    """
    missing = set(range(len(classes)))
    for source, cache in zip(sources, caches, strict=True):
        if not source.files(0):
            missing -= {0, 1}
        for index in range(len(source)):
            if not missing or not source.files(0):
                break
            missing -= set(np.unique(_labels(source, cache, index)).tolist())
    return [classes[label] for label in sorted(missing)]


def about_absent(absent: Sequence[str], classes: Sequence[str]) -> str:
    """A warning about classes without a pixel, or "". Raises InputError when fewer than two classes have any."""
    if not absent:
        return ""
    found = f"no mask has a pixel of {', '.join(absent)}"
    hint = "are these masks 0/255 where label numbers are expected? `portraitnet data check DIR --classes ...` shows it"
    if len(absent) >= len(classes) - 1:
        raise InputError(f"{found}: there is nothing to learn; {hint}")
    return f"{found}: no network can learn {'it' if len(absent) == 1 else 'them'} from this set; {hint}"


def weights_of(spec: str | Sequence[float], shares: ClassShares, classes: Sequence[str]) -> np.ndarray | None:
    """The weight of each class for loss.class_weights: `none`, `inverse_log`, or a list of one weight for each."""
    if spec == "none":
        return None
    if spec == "inverse_log":
        return shares.weights
    if len(spec) != len(classes):
        raise InputError(f"loss.class_weights has {len(spec)} values for {len(classes)} classes")
    return np.array(spec, float)


def class_shares(
    sources: Sequence[Source], caches: Sequence[PictureCache | None], specs: Sequence[SourceSpec], classes: int
) -> ClassShares:
    """Shares over training sources, as often as each is drawn; at most ENOUGH pictures of each are looked at."""
    counter = ClassCounter(classes)
    for source, cache, spec in zip(sources, caches, specs, strict=True):
        chosen = np.unique(np.linspace(0, len(source) - 1, min(len(source), ENOUGH)).astype(int))
        for index in chosen:
            counter.add(_labels(source, cache, int(index)), spec.weight * len(source) / len(chosen))
    return counter.shares()


def _labels(source: Source, cache: PictureCache | None, index: int) -> np.ndarray:
    if cache is None:
        return source.read(index)[1]
    _, mask, (top, left, height, width) = cache.read(index)
    mask = labels_on_canvas(source, mask)
    return mask[top : top + height, left : left + width]
