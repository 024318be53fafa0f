"""The sums of `loops.py` as loops over pixels, compiled by Numba at first use and kept on disk.

In this form the compiler makes vector instructions of them, in 16 bits where it can: those take as long as memory does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.core.typing.templates import Signature

from .loops import LITTLE


def _given(item: types.Type, dimensions: int) -> types.Array:
    """An argument that is only read; arrays that may be written are taken as well."""
    return types.Array(item, dimensions, "C", readonly=True)


def _compiled(*arguments: types.Type) -> Callable[[Callable], Callable]:
    signature: Signature = types.void(*arguments)

    def compile_it(loop: Callable) -> Callable:
        try:
            return njit(signature, nogil=True, cache=True)(loop)
        except RuntimeError:  # no folder that could be written, neither here nor the user's
            return njit(signature, nogil=True)(loop)

    return compile_it


_BYTES, _FLOATS = _given(types.uint8, 2), _given(types.float32, 3)


@_compiled(_BYTES, _BYTES, _BYTES, types.uint8[:, ::1])
def lay(image: np.ndarray, background: np.ndarray, alpha: np.ndarray, result: np.ndarray) -> None:
    share = np.empty(image.shape[1], np.uint8)
    for y in range(len(image)):
        for x in range(alpha.shape[1]):
            share[3 * x] = share[3 * x + 1] = share[3 * x + 2] = alpha[y, x]
        over, under, out = image[y], background[y], result[y]
        for i in range(len(out)):
            front = np.uint16(share[i] * np.uint16(over[i]))
            back = np.uint16(np.uint16(255 - share[i]) * np.uint16(under[i]))
            total = np.uint16(front + back + np.uint16(128))
            out[i] = np.uint8(np.uint16(total + np.uint16(total >> np.uint16(8))) >> np.uint16(8))


@_compiled(_BYTES, _given(types.int16, 2), types.uint8[:, ::1])
def add_grown(image: np.ndarray, change: np.ndarray, result: np.ndarray) -> None:
    for y in range(len(image)):
        at = min(max((y + 0.5) * len(change) / len(image) - 0.5, 0.0), len(change) - 1.0)
        first = int(at)
        lower = np.int16((at - first) * 16 + 0.5)
        upper = np.int16(np.int16(16) - lower)
        above, below, old, out = change[first], change[min(first + 1, len(change) - 1)], image[y], result[y]
        for i in range(len(out)):
            grown = np.int16(np.int16(above[i] * upper + below[i] * lower + np.int16(8)) >> np.int16(4))
            value = np.int16(np.int16(old[i]) + grown)
            out[i] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))


@_compiled(_given(types.uint8, 3), _BYTES, types.float32[:, :, ::1], types.float32[:, :, ::1])
def weigh(image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray) -> None:
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            share = np.float32(alpha[y, x] * np.float32(1 / 255))
            rest = np.float32(1) - share
            own, other = (share * share) * (share * share), (rest * rest) * (rest * rest)
            for c in range(3):
                person[y, x, c] = own * image[y, x, c]
                behind[y, x, c] = other * image[y, x, c]
            person[y, x, 3] = own
            behind[y, x, 3] = other


@_compiled(_given(types.uint8, 3), _BYTES, _FLOATS, _FLOATS, types.int16[:, :, ::1])
def own_colour(
    image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray, change: np.ndarray
) -> None:
    little = np.float32(LITTLE)
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            share = np.float32(alpha[y, x] * np.float32(1 / 255))
            if share == 1 or person[y, x, 3] == 0:
                change[y, x, 0] = change[y, x, 1] = change[y, x, 2] = 0
                continue
            of_person = np.float32(1) / (person[y, x, 3] + little)
            of_behind = np.float32(1) / (behind[y, x, 3] + little)
            for c in range(3):
                seen = np.float32(image[y, x, c])
                near = person[y, x, c] * of_person
                mixture = share * near + (np.float32(1) - share) * (behind[y, x, c] * of_behind)
                own = near + share * (seen - mixture)
                change[y, x, c] = np.int16(min(max(own, np.float32(0)), np.float32(255)) - seen)
