"""The blur of a lens: every point of light becomes a disc, in linear light, so that bright spots stay bright."""

from __future__ import annotations

import math

import cv2
import numpy as np

_FINE = 8  # sub-pixels along a side, for a smooth rim
_GAMMA = 2.2


def disc_kernel(radius: float) -> np.ndarray:
    """float32 (2 n + 1) x (2 n + 1), n >= radius: how much of each pixel a disc covers, with a sum of 1."""
    reach = math.ceil(radius)
    places = (np.arange((2 * reach + 1) * _FINE) + 0.5) / _FINE - reach - 0.5
    inside = np.hypot(*np.meshgrid(places, places)) <= max(radius, 0.5)
    kernel = cv2.resize(inside.astype(np.float32), (2 * reach + 1,) * 2, interpolation=cv2.INTER_AREA)
    return kernel / kernel.sum()


def disc_blur(values: np.ndarray, sigma: float) -> np.ndarray:
    """float32 height x width (x 3), blurred by the disc that spreads as far as a Gaussian of `sigma` pixels does."""
    return cv2.filter2D(values, -1, disc_kernel(2 * sigma), borderType=cv2.BORDER_REFLECT_101)


def to_light(image: np.ndarray) -> np.ndarray:
    """uint8 sRGB -> float32 linear light, 0..1 (a power of 2.2)."""
    return cv2.LUT(image, (np.arange(256, dtype=np.float32) / 255) ** np.float32(_GAMMA))


def from_light(light: np.ndarray) -> np.ndarray:
    """The inverse of `to_light`."""
    return np.rint(255 * np.clip(light, 0, 1) ** np.float32(1 / _GAMMA)).astype(np.uint8)
