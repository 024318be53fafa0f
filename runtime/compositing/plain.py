"""The pixel kernels by calls of OpenCV and NumPy: what runs where `pixels.c` could not be compiled."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..constants import SHARED
from .levels import levels

LITTLE = SHARED["fringe"]["little"]  # keeps a mean of nothing from dividing by 0
_FOURTH_POWERS = (np.arange(256, dtype=np.float32) / 255) ** 4


class PlainKernels:
    """Kernels that need no compiler."""

    name = "opencv"

    def blend(self, image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        weight = alpha.astype(np.float32)
        return cv2.blendLinear(image, background, weight, 255 - weight)

    def add_change(self, image: np.ndarray, change: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        grown = cv2.resize(change, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return cv2.copyTo(cv2.add(image, grown, dtype=cv2.CV_8U), cv2.inRange(alpha, 1, 254), image.copy())

    def weigh(self, image: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        person, behind = cv2.LUT(alpha, _FOURTH_POWERS), cv2.LUT(255 - alpha, _FOURTH_POWERS)
        first, second = (
            cv2.merge([*cv2.split(cv2.multiply(image, cv2.merge([weight] * 3), dtype=cv2.CV_32F)), weight])
            for weight in (person, behind)
        )
        return first, second

    def own_colour(self, image: np.ndarray, alpha: np.ndarray, person: np.ndarray, behind: np.ndarray) -> np.ndarray:
        share = (alpha * np.float32(1 / 255))[..., None]
        near = person[..., :3] / (person[..., 3:] + np.float32(LITTLE))
        mixture = share * near + (1 - share) * (behind[..., :3] / (behind[..., 3:] + np.float32(LITTLE)))
        own = np.clip(near + share * (image - mixture), 0, 255)
        # Nothing shines through, or no person is near.
        return np.where((share == 1) | (person[..., 3:] == 0), 0, own - image).astype(np.int16)

    def follow(self, state: np.ndarray, alpha: np.ndarray, slow: float, tremble: float, motion: float) -> None:
        change = alpha - state
        share = np.clip((np.abs(change) - np.float32(tremble)) * np.float32(1 / (motion - tremble)), 0, 1)
        share *= share * (3 - 2 * share)
        state += (np.float32(slow) + np.float32(1 - slow) * share) * change

    def fit_guide(self, guide: np.ndarray, alpha: np.ndarray, radius: int, smoothness: float) -> np.ndarray:
        def window(values: np.ndarray) -> np.ndarray:
            return cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REPLICATE)

        channels = cv2.split(guide.astype(np.float32) * np.float32(1 / 255))
        means, mean = [window(channel) for channel in channels], window(alpha)
        shared = [window(channel * alpha) - own * mean for channel, own in zip(channels, means, strict=True)]
        variance = {
            (i, j): window(channels[i] * channels[j]) - means[i] * means[j] + (smoothness if i == j else 0)
            for i in range(3)
            for j in range(i, 3)
        }
        (rr, rg, rb), (gg, gb), bb = (
            [variance[0, j] for j in range(3)],
            [variance[1, j] for j in (1, 2)],
            variance[2, 2],
        )
        # The inverse of the symmetric 3x3 matrix, by its cofactors.
        c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
        c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
        scale = 1 / np.maximum(rr * c00 + rg * c01 + rb * c02, 1e-15)
        rows = ((c00, c01, c02), (c01, c11, c12), (c02, c12, c22))
        slopes = [scale * sum(c * s for c, s in zip(row, shared, strict=True)) for row in rows]
        offset = mean - sum(slope * own for slope, own in zip(slopes, means, strict=True))
        return cv2.merge([window(factor.astype(np.float32)) for factor in (*slopes, offset)])

    def apply_guide(self, picture: np.ndarray, factors: np.ndarray, black: float, white: float) -> np.ndarray:
        size = picture.shape[1::-1]
        *slopes, offset = cv2.split(factors)
        alpha = cv2.resize(offset, size)
        for slope, channel in zip(slopes, cv2.split(picture), strict=True):
            cv2.add(alpha, cv2.multiply(cv2.resize(slope, size), channel, scale=1 / 255, dtype=cv2.CV_32F), alpha)
        return levels(alpha, black, white)

    def to_yuv420(self, image: np.ndarray, weights: np.ndarray, planes: Sequence[np.ndarray]) -> None:
        full = cv2.transform(image, np.column_stack([weights, (16, 128, 128)]))
        half = cv2.resize(full, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        for plane, picture, channel in zip(planes, (full, half, half), range(3), strict=True):
            plane[:] = picture[..., channel]
