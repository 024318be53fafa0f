"""Which way up a video's pictures are: the display matrix of its container, turns and mirrors alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes upright: rows and columns swapped, then mirrored along x, along y."""

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of(cls, frame: Any) -> Orientation:
        """The orientation that a decoded PyAV frame asks for; upright when it does not say."""
        data = next((data for data in frame.side_data if data.type == Type.DISPLAYMATRIX), None)
        if data is None:
            return cls()
        # x' = a x + c y, y' = b x + d y, in 16.16 fixed point; other angles go to the nearest right one.
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the upright picture."""
        return (width, height) if self.swap else (height, width)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """uint8 stored height x width x channels -> the same, upright."""
        if self.swap:
            image = cv2.transpose(image)
        if self.mirror_x and self.mirror_y:
            return cv2.flip(image, -1)
        if self.mirror_x or self.mirror_y:
            return cv2.flip(image, 1 if self.mirror_x else 0)
        return image
