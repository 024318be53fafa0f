"""`synthetic` and `synthetic_mattes`: portraits rendered on demand from a seed; they need no download."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ..synthetic import render_matte, render_portrait
from .base import HALF, PORTRAIT_CLASSES, OnCanvas

TRAIN_SCENES = 100_000
PHOTOGRAPH = 2  # times the network's input: like a photograph, a rendered picture is larger than that
VALIDATION_SCENES = 256
VALIDATION_MATTES = 24
_KEPT = 64  # rendered mattes that a process holds: a training set limited to so many is rendered once


class Synthetic:
    """Rendered portraits; `train` and `val` take their seeds from disjoint ranges.

    `size` is the network's input (height, width). Pictures are rendered PHOTOGRAPH times as large, or at the size of
    the canvas that wants them: enlarged pictures would be softer in training than those that are judged.
    """

    classes: tuple[str, ...] = PORTRAIT_CLASSES

    def __init__(self, size: tuple[int, int], split: str = "train", limit: int = 0) -> None:
        self.size = PHOTOGRAPH * size[0], PHOTOGRAPH * size[1]
        self.first_seed = 0 if split != "val" else TRAIN_SCENES
        self.count = limit or (VALIDATION_SCENES if split == "val" else TRAIN_SCENES)

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"synthetic-{self.first_seed + index}"

    def files(self, index: int) -> tuple[Path, ...]:
        return ()

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return render_portrait(self.first_seed + index, self.size)

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        return *render_portrait(self.first_seed + index, canvas), (0, 0, *canvas)


class SyntheticMattes:
    """Rendered portraits with loose strands of hair and true alpha; `train` and `val` share no seed.

    A picture takes about forty times as long as one of `Synthetic`: it is rendered finer, and twice. The last 64 are
    kept in memory.
    """

    classes: tuple[str, ...] = PORTRAIT_CLASSES
    soft = layered = True

    def __init__(self, size: tuple[int, int], split: str = "train", limit: int = 0) -> None:
        self._arguments = size, split, limit
        self.size = PHOTOGRAPH * size[0], PHOTOGRAPH * size[1]
        self.first_seed = 0 if split != "val" else TRAIN_SCENES
        self.count = limit or (VALIDATION_MATTES if split == "val" else TRAIN_SCENES)
        self._render = lru_cache(maxsize=_KEPT)(render_matte)

    def __reduce__(self) -> tuple[type[SyntheticMattes], tuple[tuple[int, int], str, int]]:
        return type(self), self._arguments  # to a loader's process, which renders its own

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"matte-{self.first_seed + index}"

    def files(self, index: int) -> tuple[Path, ...]:
        return ()

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rendered = self._render(self.first_seed + index, self.size)
        return rendered.image, (rendered.alpha > HALF).astype(np.uint8)

    def alpha(self, index: int) -> np.ndarray:
        return self._render(self.first_seed + index, self.size).alpha

    def on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        image, alpha, rect = self.alpha_on_canvas(index, canvas)
        return image, (alpha > HALF).astype(np.uint8), rect

    def alpha_on_canvas(self, index: int, canvas: tuple[int, int]) -> OnCanvas:
        rendered = self._render(self.first_seed + index, canvas)
        return rendered.image, rendered.alpha, (0, 0, *canvas)

    def contrast_on_canvas(self, index: int, canvas: tuple[int, int]) -> np.ndarray:
        return self._render(self.first_seed + index, canvas).contrast
