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

    def along_lines(self, image: np.ndarray, lines: Sequence[np.ndarray], black: float, white: float) -> np.ndarray:
        target = image.shape[1::-1]
        *slopes, alpha = (cv2.resize(line, target, interpolation=cv2.INTER_LINEAR) for line in lines)
        for slope, channel in zip(slopes, cv2.split(image), strict=True):
            cv2.add(alpha, cv2.multiply(slope, channel, dtype=cv2.CV_32F), alpha)
        return levels(alpha, black, white)

    def to_yuv420(self, image: np.ndarray, weights: np.ndarray, planes: Sequence[np.ndarray]) -> None:
        full = cv2.transform(image, np.column_stack([weights, (16, 128, 128)]))
        half = cv2.resize(full, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        for plane, picture, channel in zip(planes, (full, half, half), range(3), strict=True):
            plane[:] = picture[..., channel]
