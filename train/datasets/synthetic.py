"""`synthetic`: the embedded data set, rendered on demand from a seed; needs no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..synthetic import render_portrait
from .base import PORTRAIT_CLASSES, OnCanvas

TRAIN_SCENES = 100_000
PHOTOGRAPH = 2  # times the network's input: like a photograph, a rendered picture is larger than that
VALIDATION_SCENES = 256


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
