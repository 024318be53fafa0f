"""Keeps the person in the picture: a crop that follows the mask's box, slowly, so that nothing sways."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import resize

_SMALL = 64  # longer side of the alpha on which the box is found
_PERSON = 127  # of 255
_LEAST = 0.02  # share of the picture below which there is nobody
_ROOM, _HEADROOM = 1.35, 0.12  # the crop's height in that of the box; how much of it lies above the head
_SMALLEST = 0.45  # side of the crop, of the picture's
_SECONDS = 0.9  # in which the crop goes 63 % of its way
_STILL = 0.04  # of the crop's side: smaller moves of the person are not followed


@dataclass(frozen=True)
class Crop:
    """Middle and side of a crop of the picture's own shape, in shares of its width and height."""

    x: float = 0.5
    y: float = 0.5
    side: float = 1.0


class AutoFrame:
    """Crops the pictures of one session, and their alphas, to the person."""

    def __init__(self) -> None:
        self._shown = self._wanted = Crop()
        self._before: float | None = None

    def __call__(self, image: np.ndarray, alpha: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """The part of uint8 `image` and `alpha` to show, at their own size; `seconds` grow from call to call."""
        wanted = crop_for(alpha)
        if _distance(wanted, self._wanted) > _STILL * self._wanted.side:
            self._wanted = wanted
        elapsed = seconds - self._before if self._before is not None else 0.0
        self._before = seconds
        share = 1 - math.exp(-max(0.0, elapsed) / _SECONDS)
        self._shown = Crop(
            *(now + share * (goal - now) for now, goal in zip(_values(self._shown), _values(self._wanted), strict=True))
        )
        return cut(image, self._shown), cut(alpha, self._shown)


def crop_for(alpha: np.ndarray) -> Crop:
    """The crop that shows the person of `alpha` (uint8 height x width) from a little above the head; all for nobody."""
    height, width = alpha.shape
    scale = min(1.0, _SMALL / max(height, width))
    small = resize(alpha, (max(1, round(scale * height)), max(1, round(scale * width)))) > _PERSON
    if small.mean() < _LEAST:
        return Crop()
    (top, bottom), (left, right) = (_extent(np.flatnonzero(small.any(axis)), small.shape[1 - axis]) for axis in (1, 0))
    side = min(1.0, max(_SMALLEST, _ROOM * (bottom - top), right - left))
    y = top - _HEADROOM * side + side / 2
    x, y = (min(max(middle, side / 2), 1 - side / 2) for middle in ((left + right) / 2, y))
    return Crop(x, y, side)


def cut(picture: np.ndarray, crop: Crop) -> np.ndarray:
    """The crop of a picture, enlarged to the picture's size."""
    height, width = picture.shape[:2]
    if crop.side >= 0.999:
        return picture
    # From a pixel's centre there to its place here.
    left, top = (crop.x - crop.side / 2) * width, (crop.y - crop.side / 2) * height
    place = np.array([[crop.side, 0, left + crop.side / 2 - 0.5], [0, crop.side, top + crop.side / 2 - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, place, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)


def _extent(places: np.ndarray, length: int) -> tuple[float, float]:
    """Where the first of the places begins and the last ends, as shares of the length."""
    return float(places[0] / length), float((places[-1] + 1) / length)


def _values(crop: Crop) -> tuple[float, float, float]:
    return crop.x, crop.y, crop.side


def _distance(one: Crop, other: Crop) -> float:
    return max(abs(a - b) for a, b in zip(_values(one), _values(other), strict=True))
