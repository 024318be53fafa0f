"""Levels: alpha as compositing wants it, with what is nearly nothing made nothing and what is nearly all made all.

A network that is one part in twenty sure leaves a ghost of the old background, and holes in a coat. Masks cut at one
half are the same with and without.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..constants import SHARED

BLACK, WHITE = SHARED["levels"]["black"], SHARED["levels"]["white"]  # alpha that becomes 0 and 255; linear in between


def levels(alpha: np.ndarray, black: float = BLACK, white: float = WHITE) -> np.ndarray:
    """float32 height x width, 0..1 -> uint8 height x width, 0..255: `black` becomes 0, `white` 255."""
    return cv2.convertScaleAbs(np.maximum(alpha - np.float32(black), 0), alpha=255 / (white - black))
