"""The person's own colours where alpha is soft: what of the old background shines through at the outline is taken out.

A pixel at the outline is a mixture of person and old background; laid on a new one as it is, it makes a fringe. Both
colours are estimated from the neighbourhood and corrected so that they explain the pixel (Forte and Pitie, 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import resize
from . import loops
from .loops import LITTLE

_LONGEST = 320  # side of the small picture on which colours are estimated: they change slowly along an outline
_REACH = 5  # radius of the neighbourhood there


def without_fringe(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` (uint8 height x width x 3) with the person's colours where `alpha` is neither nothing nor all.

    `alpha` has the picture's size or is smaller; uint8, or float 0..1.
    """
    if image.shape[2:] != (3,):
        raise ValueError(f"expected uint8 height x width x 3, got {image.shape}")
    height, width = image.shape[:2]
    # By a whole number where the sides allow it, which OpenCV averages several times faster.
    factor = max(1, round(max(height, width) / _LONGEST))
    size = max(1, height // factor), max(1, width // factor)
    small = np.ascontiguousarray(resize(image, size))
    share = alpha if alpha.dtype == np.uint8 else cv2.convertScaleAbs(alpha, alpha=255)
    share = np.ascontiguousarray(resize(share, size))
    person, behind = np.empty((*size, 4), np.float32), np.empty((*size, 4), np.float32)
    loops.weigh(small, share, person, behind)
    reach = 2 * _REACH + 1, 2 * _REACH + 1
    change = np.empty((*size, 3), np.int16)
    loops.own_colour(small, share, cv2.blur(person, reach), cv2.blur(behind, reach), change)
    # Only the change grows, so the picture keeps its own detail: along rows here, across them as it is added.
    change = cv2.resize(change, (width, size[0]))
    result = np.empty(image.shape, np.uint8)
    loops.add_grown(*map(loops.rows, (image, change, result)))
    return result


def spread_colours(rgba: np.ndarray) -> np.ndarray:
    """A cut-out (uint8 height x width x 4) with the person's colours carried a little past the outline.

    Lossy video mixes neighbouring pixels; without this the black under alpha 0 darkens the outline. The colours are
    means of the person's own, so nothing of the old background comes back.
    """
    alpha = rgba[..., 3]
    reach = 2 * _REACH + 1, 2 * _REACH + 1
    share = cv2.blur(alpha.astype(np.float32), reach)
    weighted = cv2.multiply(rgba[..., :3], cv2.merge([alpha] * 3), dtype=cv2.CV_32F)
    colours = cv2.blur(weighted, reach) / np.maximum(share, np.float32(LITTLE))[..., None]
    result = rgba.copy()
    np.copyto(result[..., :3], np.clip(colours + 0.5, 0, 255).astype(np.uint8), where=(alpha == 0)[..., None])
    return result
