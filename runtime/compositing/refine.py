"""Edge refinement: alpha drawn to the picture's own edges by a guided filter with a colour guide.

In each small window alpha is explained as a linear function of colour (He, Sun and Tang, 2013); the functions are found
on a small picture and applied to a larger one (He and Sun, 2015). What the model saw at 224 pixels then has its outline
where the photograph has it.
"""

from __future__ import annotations

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


def refine_alpha(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 alpha height x width of `image` (uint8 height x width x 3), from alpha of the same view at any size.

    What comes out is levelled after the filter: before it, the error is larger.

    `alpha` is float32 in 0..1: the part of a model's output that the picture fills.
    """
    size = image.shape[:2]
    large = _shrunk(image, _LARGE)
    small = _shrunk(large, _SMALL)
    guide = small.astype(np.float32) * np.float32(1 / 255)
    height, width = guide.shape[:2]
    slopes, offset = _fit(guide, cv2.resize(np.ascontiguousarray(alpha, np.float32), (width, height)))
    lines = *(slope * np.float32(1 / 255) for slope in slopes), offset
    refined = kernels().along_lines(large, lines, _BLACK, _WHITE)
    return refined if refined.shape == size else cv2.resize(refined, size[::-1])


def _fit(guide: np.ndarray, alpha: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Slopes along red, green and blue and the offset, each height x width, averaged over all windows of a pixel."""
    channels = cv2.split(guide)
    means, mean = [_window(channel) for channel in channels], _window(alpha)
    shared = [_window(channel * alpha) - own * mean for channel, own in zip(channels, means, strict=True)]
    variance = {
        (i, j): _window(channels[i] * channels[j]) - means[i] * means[j] + (_SMOOTHNESS if i == j else 0)
        for i in range(3)
        for j in range(i, 3)
    }
    (rr, rg, rb), (gg, gb), bb = [variance[0, j] for j in range(3)], [variance[1, j] for j in (1, 2)], variance[2, 2]
    # The inverse of the symmetric 3x3 matrix, by its cofactors.
    c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / np.maximum(rr * c00 + rg * c01 + rb * c02, 1e-15)
    rows = ((c00, c01, c02), (c01, c11, c12), (c02, c12, c22))
    slopes = [scale * sum(c * s for c, s in zip(row, shared, strict=True)) for row in rows]
    offset = mean - sum(slope * own for slope, own in zip(slopes, means, strict=True))
    return [_window(slope) for slope in slopes], _window(offset)


def _window(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (2 * _RADIUS + 1, 2 * _RADIUS + 1), borderType=cv2.BORDER_REPLICATE)


def _shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The picture with a longer side of at most `longest`."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
