"""The kernels of `pixels.c` and `guided.c`, a small library that `pip install` compiles, called through ctypes.

ctypes lets other threads run meanwhile. Nothing of Python is in the library, so its compiler needs no headers of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import cv2
import numpy as np

from .plain import LITTLE

_FOLDER = Path(__file__).parent
_ARRAY, _COUNT, _FLOAT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float
_PLANES = 26  # that fit_guide needs as scratch
_SIGNATURES = {
    "blend": [*[_ARRAY] * 4, _COUNT],
    "add_change": [*[_ARRAY] * 4, *[_COUNT] * 3],
    "weigh": [*[_ARRAY] * 4, _COUNT],
    "own_colour": [*[_ARRAY] * 5, _COUNT, _FLOAT],
    "follow": [_ARRAY, _ARRAY, _COUNT, *[_FLOAT] * 3],
    "fit_guide": [*[_ARRAY] * 4, *[_COUNT] * 3, _FLOAT],
    "apply_guide": [*[_ARRAY] * 7, *[_COUNT] * 4, *[_FLOAT] * 2],
    "to_yuv420": [*[_ARRAY, _COUNT] * 4, *[_COUNT] * 2, _ARRAY],
}


class CompiledKernels:
    """Kernels of the compiled library at `path`. Raises OSError when it cannot be loaded."""

    name = "compiled"

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        for name, arguments in _SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, None
        self._library = library

    def blend(self, image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        image, background, alpha = map(np.ascontiguousarray, (image, background, alpha))
        result = np.empty_like(image)
        self._library.blend(*_addresses(image, background, alpha, result), alpha.size)
        return result

    def add_change(self, image: np.ndarray, change: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        # OpenCV grows it along the rows; only the step from row to row is left to the loop.
        change = cv2.resize(change, (image.shape[1], len(change)), interpolation=cv2.INTER_LINEAR)
        image, change, alpha = map(np.ascontiguousarray, (image, change, alpha))
        result = np.empty_like(image)
        self._library.add_change(*_addresses(image, change, alpha, result), *alpha.shape, len(change))
        return result

    def weigh(self, image: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image, alpha = map(np.ascontiguousarray, (image, alpha))
        person, behind = np.empty((*alpha.shape, 4), np.float32), np.empty((*alpha.shape, 4), np.float32)
        self._library.weigh(*_addresses(image, alpha, person, behind), alpha.size)
        return person, behind

    def own_colour(self, image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray) -> np.ndarray:
        image, alpha, person, behind = map(np.ascontiguousarray, (image, alpha, person, behind))
        change = np.empty((*alpha.shape, 3), np.int16)
        self._library.own_colour(*_addresses(image, alpha, person, behind, change), alpha.size, LITTLE)
        return change

    def follow(self, state: np.ndarray, alpha: np.ndarray, slow: float, tremble: float, motion: float) -> None:
        alpha = np.ascontiguousarray(alpha, np.float32)
        self._library.follow(*_addresses(state, alpha), state.size, slow, tremble, motion)

    def fit_guide(self, guide: np.ndarray, alpha: np.ndarray, radius: int, smoothness: float) -> np.ndarray:
        guide, alpha = np.ascontiguousarray(guide), np.ascontiguousarray(alpha, np.float32)
        factors = np.empty((*alpha.shape, 4), np.float32)
        scratch = np.empty(_PLANES * alpha.size + alpha.shape[1] + 2 * radius, np.float32)
        self._library.fit_guide(*_addresses(guide, alpha, factors, scratch), *alpha.shape, radius, smoothness)
        return factors

    def apply_guide(self, picture: np.ndarray, factors: np.ndarray, black: float, white: float) -> np.ndarray:
        picture, factors = map(np.ascontiguousarray, (picture, factors))
        (height, width), (small_height, small_width) = picture.shape[:2], factors.shape[:2]
        place = np.clip((np.arange(width, dtype=np.float32) + 0.5) * small_width / width - 0.5, 0, small_width - 1)
        left = place.astype(np.int32)
        place -= left
        starts = np.searchsorted(left, np.arange(small_width + 1)).astype(np.int32)
        alpha = np.empty((height, width), np.uint8)
        row, kinds = np.empty(4 * small_width, np.float32), np.empty((small_height + 1) * small_width, np.uint8)
        self._library.apply_guide(
            *_addresses(picture, factors, starts, place, alpha, row, kinds),
            *(height, width, small_height, small_width, black, white),
        )
        return alpha

    def to_yuv420(self, image: np.ndarray, weights: np.ndarray, planes: Sequence[np.ndarray]) -> None:
        image = image if image.strides[1:] == (3, 1) else np.ascontiguousarray(image)
        fixed = np.rint(weights * (1 << 15)).astype(np.int32)
        parts = [part for array in (image, *planes) for part in (array.ctypes.data, array.strides[0])]
        self._library.to_yuv420(*parts, *image.shape[:2], fixed.ctypes.data)


def find_library() -> Path | None:
    """The library that the installation compiled; None where there was no compiler."""
    return next((path for suffix in EXTENSION_SUFFIXES if (path := _FOLDER / f"_pixels{suffix}").is_file()), None)


def _addresses(*arrays: np.ndarray) -> list[int]:
    return [array.ctypes.data for array in arrays]
