"""Sums over whole pictures that no call of OpenCV does at once: a row after the other in NumPy, or compiled.

To start Numba takes a second (three the first time), longer than one picture takes in all. So a picture is worked on by
what stands here; for videos and cameras `compile_loops` puts the same sums of `compiled.py` in its place, which are
twenty times faster. Rows lie flat: height x (3 * width) bytes.
"""

from __future__ import annotations

import cv2
import numpy as np

from .constants import CONSTANTS

LITTLE = CONSTANTS["fringe"]["little"]  # keeps a mean of nothing from dividing by 0
_HALF, _ALL = np.uint16(128), np.uint16(255)


def compile_loops() -> None:
    """Work compiled from now on, in this process."""
    from . import compiled

    loops = globals()
    for name in ("lay", "add_grown", "weigh", "own_colour"):
        loops[name] = getattr(compiled, name)


def rows(picture: np.ndarray) -> np.ndarray:
    """A picture as `lay` and `add_grown` take it: each row flat."""
    return np.ascontiguousarray(picture).reshape(len(picture), -1)


def lay(image: np.ndarray, background: np.ndarray, alpha: np.ndarray, result: np.ndarray) -> None:
    """result = alpha * image + (1 - alpha) * background, rounded. Alpha has one byte where the others have three."""
    for y in range(len(image)):
        share = np.repeat(alpha[y], 3).astype(np.uint16)
        total = share * image[y] + (_ALL - share) * background[y] + _HALF
        result[y] = (total + (total >> 8)) >> 8  # divided by 255: to the nearest for all sums that there are


def add_grown(image: np.ndarray, change: np.ndarray, result: np.ndarray) -> None:
    """result = image + change (int16), which has fewer rows and grows as in bilinear resizing."""
    for y in range(len(image)):
        at = min(max((y + 0.5) * len(change) / len(image) - 0.5, 0.0), len(change) - 1.0)
        first = int(at)
        lower = int((at - first) * 16 + 0.5)  # in sixteenths, which keeps all in 16 bits
        grown = (change[first] * (16 - lower) + change[min(first + 1, len(change) - 1)] * lower + 8) >> 4
        result[y] = np.clip(image[y] + grown, 0, 255)


def weigh(image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray) -> None:
    """What neighbourhoods' mean colours are sums of: the colours by their weights, and the weights as a fourth channel.

    Weights are alpha (`person`) and 1 - alpha (`behind`) to the fourth power, which leaves out what is a mixture.
    """
    share = alpha * np.float32(1 / 255)
    for weights, into in ((share, person), (1 - share, behind)):
        into[..., 3] = (weights * weights) * (weights * weights)
        np.multiply(image, into[..., 3:], into[..., :3])


def own_colour(
    image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray, change: np.ndarray
) -> None:
    """What to add to a picture (int16) for the person's own colours, from the blurred sums of `weigh`.

    Where alpha mixes the means of both to another colour than the pixel's, alpha of the difference is the person's.
    """
    share = cv2.merge([alpha * np.float32(1 / 255)] * 3)
    near = person[..., :3] / (person[..., 3:] + np.float32(LITTLE))
    mixture = share * near + (1 - share) * (behind[..., :3] / (behind[..., 3:] + np.float32(LITTLE)))
    own = np.clip(near + share * (image - mixture), 0, 255)
    # Nothing shines through, or no person is near.
    change[:] = np.where((share == 1) | (person[..., 3:] == 0), 0, own - image)
