"""The person's own colours where alpha is soft: what of the old background shines through at the outline is taken out.

A pixel at the outline is a mixture of person and old background; laid on a new one as it is, it makes a fringe. Both
colours are estimated from the neighbourhood and corrected so that they explain the pixel (Forte and Pitie, 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

from ..constants import SHARED
from .kernels import kernels

_LONGEST = SHARED["fringe"]["longest"]  # side of the small picture on which the slowly changing colours are estimated
_REACH = SHARED["fringe"]["reach"]  # radius of the neighbourhood there


def without_fringe(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` (uint8 height x width x 3) with the person's colours where `alpha` is neither nothing nor all.

    `alpha` has the picture's size; uint8, or float 0..1.
    """
    if image.shape != (*alpha.shape, 3):
        raise ValueError(f"expected uint8 height x width x 3 and alpha of that size, got {image.shape}, {alpha.shape}")
    height, width = alpha.shape
    factor = max(1, round(max(height, width) / _LONGEST))
    size = max(1, width // factor), max(1, height // factor)
    alpha = alpha if alpha.dtype == np.uint8 else cv2.convertScaleAbs(alpha, alpha=255)
    # A blur follows, so what bilinear sampling skips is not missed; a mean of areas takes five times as long.
    small, share = cv2.resize(image, size), cv2.resize(alpha, size)
    reach = 2 * _REACH + 1, 2 * _REACH + 1
    person, behind = (cv2.blur(sums, reach) for sums in kernels().weigh(small, share))
    # Only the change grows, so the picture keeps its own detail.
    return kernels().add_change(image, kernels().own_colour(small, share, person, behind), alpha)


def spread_colours(rgba: np.ndarray) -> np.ndarray:
    """A cut-out (uint8 height x width x 4) with the person's colours carried a little past the outline.

    Lossy video mixes neighbouring pixels; without this the black under alpha 0 darkens the outline. The colours are
    means of the person's own, so nothing of the old background comes back.
    """
    alpha = rgba[..., 3]
    reach = 2 * _REACH + 1, 2 * _REACH + 1
    share = cv2.blur(alpha.astype(np.float32), reach)
    weighted = cv2.multiply(rgba[..., :3], cv2.merge([alpha] * 3), dtype=cv2.CV_32F)
    colours = cv2.blur(weighted, reach) / np.maximum(share, np.float32(1e-3))[..., None]
    result = rgba.copy()
    np.copyto(result[..., :3], np.clip(colours + 0.5, 0, 255).astype(np.uint8), where=(alpha == 0)[..., None])
    return result
