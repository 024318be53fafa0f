"""Pictures of tens of megapixels: everything is found on a small copy, and composed band by band.

Alpha, the change to the person's colours and the new background are smooth at that scale, so that they are kept small
and stretched for a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

_ROWS = 64  # of a band
_COLUMNS = 32_000


def bands(height: int) -> Iterator[tuple[int, int]]:
    """First row and row after the last of each band."""
    for top in range(0, height, _ROWS):
        yield top, min(height, top + _ROWS)


class Stretched:
    """A small picture, seen at `size` (height, width) without ever being that large."""

    def __init__(self, small: np.ndarray, size: tuple[int, int]) -> None:
        """`small` is uint8 or int16, height x width or height x width x 3."""
        self._small, self._size = small, size

    def rows(self, top: int, bottom: int) -> np.ndarray:
        """Rows `top` to `bottom` of the large picture, bilinear."""
        height, width = self._size
        across, down = self._small.shape[1] / width, self._small.shape[0] / height
        # From a pixel's centre there to its place here.
        parts = []
        for left in range(0, width, _COLUMNS):  # OpenCV warps no wider pictures
            place = np.array([[across, 0, (left + 0.5) * across - 0.5], [0, down, (top + 0.5) * down - 0.5]])
            size = min(_COLUMNS, width - left), bottom - top
            how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            parts.append(cv2.warpAffine(self._small, place, size, flags=how, borderMode=cv2.BORDER_REPLICATE))
        return parts[0] if len(parts) == 1 else cv2.hconcat(parts)


def compose_band(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """As `blend`, for bands in which most pixels are all person or all background."""
    result = image.copy()
    cv2.copyTo(background, (alpha == 0).view(np.uint8), result)
    soft = (alpha > 0) & (alpha < 255)
    share = alpha[soft].astype(np.uint16)[:, None]
    total = share * image[soft] + (255 - share) * background[soft] + 128
    result[soft] = (total + (total >> 8)) >> 8
    return result
