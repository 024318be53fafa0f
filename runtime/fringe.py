"""The person's own colours where alpha is soft: what of the old background shines through at the outline is taken out.

A pixel at the outline is a mixture of person and old background; laid on a new one as it is, it makes a fringe. Both
colours are estimated from the neighbourhood and corrected so that they explain the pixel (Forte and Pitie, 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

from .geometry import resize

_LONGEST = 320  # side of the small picture on which colours are estimated: they change slowly along an outline
_REACH = 5  # radius of the neighbourhood there
_LITTLE = 1e-3


def without_fringe(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` (uint8 height x width x 3) with the person's colours where `alpha` is neither nothing nor all.

    `alpha` has the picture's size or is smaller; uint8, or float 0..1.
    """
    height, width = image.shape[:2]
    # By a whole number where the sides allow it, which OpenCV averages several times faster.
    factor = max(1, round(max(height, width) / _LONGEST))
    size = max(1, width // factor), max(1, height // factor)
    small = resize(image, size[::-1]).astype(np.float32)
    way = cv2.INTER_AREA if alpha.shape[0] >= size[1] else cv2.INTER_LINEAR
    share = cv2.resize(alpha, size, interpolation=way)
    share = share * np.float32(1 / 255) if share.dtype == np.uint8 else share
    weight = _three(share)
    person, behind = _mean_colour(small, share), _mean_colour(small, 1 - share)
    # person += weight * (small - mixture), the mixture being that of both means; where weight is 1 that leaves small.
    mixture = person - behind
    mixture *= weight
    mixture += behind
    np.subtract(small, mixture, mixture)
    mixture *= weight
    person += mixture
    np.clip(person, 0, 255, person)
    # Only the change is made larger, so the picture keeps its own detail; half of it, as bytes, for speed.
    half = cv2.addWeighted(person, 0.5, small, -0.5, 128, dtype=cv2.CV_8U)
    result = np.empty_like(image)  # one whole frame only: fresh memory costs more than the sums
    cv2.resize(half, (width, height), result)
    return cv2.addWeighted(image, 1, result, 2, -256, result)


def _mean_colour(image: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mean colour of each pixel's neighbourhood (height x width x 3), by the share that each pixel has in it."""
    side = 2 * _REACH + 1
    # The power leaves out of the mean what is itself a mixture.
    weight = share * share
    weight *= weight
    mean = cv2.blur(image * _three(weight), (side, side))
    mean /= _three(cv2.blur(weight, (side, side)) + _LITTLE)
    return mean


def _three(plane: np.ndarray) -> np.ndarray:
    # Products of arrays of one shape are far faster than those that repeat one.
    return cv2.merge([plane] * 3)
