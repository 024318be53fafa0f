"""The person's own colours where alpha is soft: what of the old background shines through at the outline is taken out.

A pixel at the outline is a mixture of person and old background; laid on a new one as it is, it makes a fringe. Both
colours are estimated from the neighbourhood and corrected so that they explain the pixel (Forte and Pitie, 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

_LONGEST = 320  # side of the small picture on which colours are estimated: they change slowly along an outline
_REACH = 5  # radius of the neighbourhood there
_LITTLE = 1e-3


def without_fringe(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` (uint8 height x width x 3) with the person's colours where `alpha` (uint8) is neither 0 nor 255."""
    height, width = alpha.shape
    # By a whole number where the sides allow it, which OpenCV averages several times faster.
    factor = max(1, round(max(height, width) / _LONGEST))
    size = max(1, width // factor), max(1, height // factor)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)
    # Three equal planes: products of arrays of one shape are far faster than those that repeat one.
    weight = cv2.merge([share] * 3)
    # The power leaves out of the means what is itself a mixture.
    person, behind = _mean_colour(small, weight**4), _mean_colour(small, (1 - weight) ** 4)
    person += weight * (small - behind - weight * (person - behind))
    # Only the change is made larger: the picture keeps its own detail. As bytes, up and down apart, for speed.
    change = (np.clip(person, 0, 255) - small) * (weight < 1 - _LITTLE)
    brighter, darker = (cv2.resize(_bytes(sign * change), (width, height)) for sign in (1, -1))
    return cv2.subtract(cv2.add(image, brighter), darker)


def _mean_colour(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean colour of each pixel's neighbourhood, weighted; all height x width x 3."""
    side = 2 * _REACH + 1
    return cv2.blur(image * weight, (side, side)) / (cv2.blur(weight, (side, side)) + _LITTLE)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0).round().astype(np.uint8)
