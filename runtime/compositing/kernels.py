"""Sums over the pixels of whole pictures: one interface, by a small compiled library, or by OpenCV where there is none.

All arrays are uint8 height x width (x 3) unless said otherwise; sizes are checked by who calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np

from .compiled import CompiledKernels, find_library
from .plain import PlainKernels


class Kernels(Protocol):
    """What compositing needs done to every pixel. Both implementations give the same pictures, to one level."""

    name: str  # compiled or opencv

    def blend(self, image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """alpha * image + (1 - alpha) * background, rounded to the nearest."""
        ...

    def add_change(self, image: np.ndarray, change: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """`image` + `change` where alpha is neither 0 nor 255, else `image`.

        `change` is int16 and smaller than the picture; it grows as in bilinear resizing.
        """
        ...

    def weigh(self, image: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Colours times weights, and the weights as a fourth channel, float32; their blurs give weighted mean colours.

        The weights are alpha for the first, 1 - alpha for the second, to the fourth power, which leaves mixtures out.
        """
        ...

    def own_colour(self, image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray) -> np.ndarray:
        """What to add to `image` for the person's own colours, int16, from the blurred sums of `weigh`.

        Where alpha mixes both means to another colour than the pixel's, alpha of the difference is the person's.
        """
        ...

    def follow(self, state: np.ndarray, alpha: np.ndarray, slow: float, tremble: float, motion: float) -> None:
        """Move `state`, float32 and contiguous, towards `alpha`: by `slow` of a change up to `tremble`, by all of one
        from `motion` on, and along a smoothstep between.
        """
        ...

    def fit_guide(self, guide: np.ndarray, alpha: np.ndarray, radius: int, smoothness: float) -> np.ndarray:
        """Slopes along red, green and blue and an offset, which make alpha of colour: float32 height x width x 4.

        `guide` is a picture, `alpha` float32 of its size. Each window of 2 `radius` + 1 pixels is fitted by itself; a
        pixel gets the mean of all windows that see it.
        """
        ...

    def apply_guide(self, picture: np.ndarray, factors: np.ndarray, black: float, white: float) -> np.ndarray:
        """Alpha of `picture`, 0..255, from the factors of a smaller one; `black` becomes 0, `white` 255."""
        ...

    def to_yuv420(self, image: np.ndarray, weights: np.ndarray, planes: Sequence[np.ndarray]) -> None:
        """Fill `planes`, Y and the half as large U and V, from a picture of even sides, limited range.

        `weights` is 3 x 3, from RGB bytes to YUV bytes less their offsets.
        """
        ...


@cache
def kernels() -> Kernels:
    """The compiled kernels, or OpenCV's where this installation has none that load."""
    library = find_library()
    try:
        return CompiledKernels(library) if library else PlainKernels()
    except (OSError, AttributeError):  # compiled for another machine or C library; or from an earlier version's source
        return PlainKernels()
