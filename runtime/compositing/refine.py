"""Edge refinement: alpha drawn to the picture's own edges by a guided filter with a colour guide.

In each small window alpha is explained as a linear function of colour (He, Sun and Tang, 2013); the functions are found
on a small picture and applied to a larger one (He and Sun, 2015). What the model saw at 224 pixels then has its outline
where the photograph has it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ..constants import SHARED
from .kernels import kernels

# Chosen on half of the held-out photographs, checked on the other half (docs/benchmarks/accuracy.md).
_SMALL = SHARED["refine"]["small"]  # longer side, in pixels, of the picture on which windows are fitted
_LARGE = SHARED["refine"]["large"]  # of the one they are applied to; alpha grows to the photograph's size from there
_RADIUS = SHARED["refine"]["radius"]  # of a window, in pixels of the small picture
_SMOOTHNESS = SHARED["refine"]["smoothness"]  # colour variance (of 1) below which a window counts as flat
# Levels of what the filter gives. A window that sees grain or cloth leaves flanks of alpha that are softer than the
# person's; with the levels of plain alpha they outweighed what the outline gained.
_BLACK, _WHITE = SHARED["refine"]["black"], SHARED["refine"]["white"]


def refine_alpha(
    image: np.ndarray, alpha: np.ndarray, steady: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """uint8 alpha height x width of `image` (uint8 height x width x 3), from alpha of the same view at any size.

    What comes out is levelled after the filter: before it, the error is larger.

    `alpha` is float32 in 0..1: the part of a model's output that the picture fills. `steady` smooths what the filter
    gives between the frames of a clip, as AlphaSmoother does: the guide brings in the camera's noise, with which
    outlines tremble that the smoothed alpha of the model had still.
    """
    size = image.shape[:2]
    large = _shrunk(image, _LARGE)
    small = _shrunk(large, _SMALL)
    growing = cv2.resize(np.ascontiguousarray(alpha, np.float32), small.shape[1::-1])
    factors = kernels().fit_guide(small, growing, _RADIUS, _SMOOTHNESS)
    refined = kernels().apply_guide(large, factors, _BLACK, _WHITE)
    if steady is not None:
        refined = cv2.convertScaleAbs(steady(refined.astype(np.float32) * np.float32(1 / 255)), alpha=255)
    return refined if refined.shape == size else cv2.resize(refined, size[::-1])


def _shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The picture with a longer side of at most `longest`."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
