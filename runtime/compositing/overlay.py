"""Text on pictures."""

from __future__ import annotations

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_line(picture: np.ndarray, text: str, scale: float) -> None:
    """Write one line, white on black, into the upper left corner of uint8 RGB; what does not fit is cut off.

    `scale` 1 makes letters about 20 pixels high.
    """
    text = text.encode("ascii", "replace").decode()  # OpenCV draws no others
    margin = round(8 * scale) + 2
    while text and cv2.getTextSize(text, _FONT, scale, 1)[0][0] > picture.shape[1] - 2 * margin:
        text = text[:-1]
    (width, height), below = cv2.getTextSize(text, _FONT, scale, 1)
    if text:
        picture[: height + below + 2 * margin, : width + 2 * margin] //= 4
        cv2.putText(picture, text, (margin, height + margin), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
