"""The usual four metrics of alpha mattes (Rhemann et al., 2009), whole and in the band that is neither nor.

sad    sum of absolute differences, in thousands of pixels
mse    mean squared difference
grad   sum of squared differences of the gradient's length (Gaussian derivative, sigma 1.4), in thousands
conn   sum of differences in how far pixels hang together with the largest common region, in thousands

Alpha is 0..1 in all of them. Less is better. `sad`, `grad` and `conn` grow with the picture, so compare pictures of
one size. With `_band` at the end they count the unknown band alone: pixels whose true alpha is neither 0 nor 1, and
those around.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

METRICS = ("sad", "mse", "grad", "conn")
_SIGMA, _CUT = 1.4, 1e-2  # of the derivative's Gaussian; where its tail is cut off
_STEP, _LOOSE = 0.1, 0.15  # of the levels at which regions are found; a smaller distance counts as connected


def unknown_band(truth: np.ndarray, band_ratio: float = 0.01) -> np.ndarray:
    """Boolean height x width: within `band_ratio` of the diagonal from both alpha below 1 and alpha above 0.

    `truth` is uint8 height x width, 0..255. So a matte that is cut at one half has a band as well.
    """
    side = 2 * max(1, round(band_ratio * math.hypot(*truth.shape))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return (cv2.dilate(truth, kernel) > 0) & (cv2.erode(truth, kernel) < 255)


def matte_errors(alpha: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Every metric by its name, of the whole picture and of the unknown band.

    Both are uint8 height x width, 0..255. Raises ValueError when they differ in size.
    """
    if alpha.shape != truth.shape or alpha.ndim != 2:
        raise ValueError(f"alpha {alpha.shape} and true alpha {truth.shape} are not pictures of one size")
    found, wanted = (picture.astype(np.float32) * np.float32(1 / 255) for picture in (alpha, truth))
    difference = np.abs(found - wanted)
    steepness = np.square(_steepness(found) - _steepness(wanted))
    apart = np.abs(np.subtract(*_connectedness(found, wanted)))
    band = unknown_band(truth)
    errors: dict[str, float] = {}
    for ending, where in (("", np.ones_like(band)), ("_band", band)):
        errors |= {
            f"sad{ending}": _sum(difference[where]) / 1000,
            f"mse{ending}": _sum(np.square(difference[where])) / max(int(np.count_nonzero(where)), 1),
            f"grad{ending}": _sum(steepness[where]) / 1000,
            f"conn{ending}": _sum(apart[where]) / 1000,
        }
    return errors


def _sum(values: np.ndarray) -> float:
    return float(values.sum(dtype=np.float64))


def _steepness(alpha: np.ndarray) -> np.ndarray:
    """Length of the gradient, by derivatives of a Gaussian whose filter has norm 1."""
    reach = math.ceil(_SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * _SIGMA * _CUT)))
    places = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-(places**2) / (2 * _SIGMA**2))
    slope = places * bell
    bell, slope = bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)
    across, down = (
        cv2.sepFilter2D(alpha, cv2.CV_32F, x, y, borderType=cv2.BORDER_REPLICATE)
        for x, y in ((slope, bell), (bell, slope))
    )
    return cv2.magnitude(across, down)


def _connectedness(found: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How connected each pixel of both is: 1, less its distance from the level up to which it hangs together."""
    level = np.ones_like(found)
    undecided = np.ones(found.shape, bool)
    steps = round(1 / _STEP)
    for step in range(1, steps + 1):
        threshold = np.float32(step / steps)
        loose = undecided & ~_largest((found >= threshold) & (wanted >= threshold))
        level[loose] = (step - 1) / steps
        undecided &= ~loose
    first, second = (
        1 - np.where(distance >= _LOOSE, distance, 0) for distance in (alpha - level for alpha in (found, wanted))
    )
    return first, second


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest region of a boolean mask, of pixels that share an edge."""
    count, regions, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    return regions == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
