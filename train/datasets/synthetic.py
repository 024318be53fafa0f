"""`synthetic`: the embedded data set, rendered on demand from a seed; needs no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..synthetic import render_portrait
from .base import PORTRAIT_CLASSES, OnCanvas, letterboxed

TRAIN_SCENES = 100_000
VALIDATION_SCENES = 256


class Synthetic:
    """Rendered portraits; `train` and `val` take their seeds from disjoint ranges."""

    classes: tuple[str, ...] = PORTRAIT_CLASSES

    def __init__(self, size: tuple[int, int], split: str = "train", limit: int = 0) -> None:
        self.size = size
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
        return letterboxed(*self.read(index), canvas)
