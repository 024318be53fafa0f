"""Pictures of tens of megapixels: everything is found on a small copy, and composed band by band.

Alpha, the change to the person's colours and the new background are smooth at that scale, so that they are kept small
and stretched for a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

_ROWS = 64  # of a band


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
        (height, width), last = self._size, len(self._small) - 1
        # From a row's centre there to its place here, between the rows `above` and `above` + 1.
        places = ((np.arange(top, bottom) + 0.5) * (last + 1) / height - 0.5).clip(0, last)
        above = places.astype(int)
        part = self._small[above[0] : above[-1] + 2]
        near = cv2.resize(part, (width, len(part)), interpolation=cv2.INTER_LINEAR)
        result = np.empty((bottom - top, *near.shape[1:]), near.dtype)
        for row, (place, first) in enumerate(zip(places, above, strict=True)):
            one = first - above[0]
            other, share = min(one + 1, len(near) - 1), place - first
            cv2.addWeighted(near[one], 1 - share, near[other], share, 0, dst=result[row])
        return result
