"""Temporal smoothing of alpha: holds noise still and lets real motion through at once.

A pixel whose alpha moves little from one frame to the next follows slowly; one whose alpha jumps follows fully.
There is no delay and no look ahead.
"""

from __future__ import annotations

import numpy as np

from ..constants import SHARED
from .kernels import kernels

# Chosen on clips of eight real portraits, still and moving (benchmarks/quality/flicker.py): a third of the flicker or
# less, and at most 0.3 points of IoU lost at edges that move.
_CHOSEN = SHARED["smoothing"]
FOLLOW = _CHOSEN["follow"]  # share of a small change that is taken over in a frame's time, at 30 frames/s
TREMBLE, MOTION = _CHOSEN["tremble"], _CHOSEN["motion"]  # changes of alpha: noise below, motion above
_FRAME = 1 / _CHOSEN["frames_per_second"]
_PAUSE = _CHOSEN["pause"]  # seconds after which the last alpha says nothing about this one


class AlphaSmoother:
    """Smooths the alphas of one clip, all of one size; use a new one (or `reset`) for another clip."""

    def __init__(self) -> None:
        self._state: np.ndarray | None = None

    def reset(self) -> None:
        """Forget what was seen: the next alpha is taken as it is."""
        self._state = None

    def __call__(self, alpha: np.ndarray, elapsed: float = _FRAME) -> np.ndarray:
        """float32 height x width in 0..1 -> the same, smoothed; `elapsed` is the seconds since the last one."""
        state = self._state
        if state is None or state.shape != alpha.shape or not 0 < elapsed <= _PAUSE:
            self._state = np.array(alpha, np.float32, order="C")
            return self._state.copy()
        kernels().follow(state, alpha, 1 - (1 - FOLLOW) ** (elapsed / _FRAME), TREMBLE, MOTION)
        return state.copy()
