"""Masks for a stream of pictures, from several copies of a model side by side.

A model with two threads has each of its layers wait for the slower half. Two models with a thread each, and a picture
each, wait for nothing: more pictures in a second, though each takes as long as with one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..compositing.levels import levels
from ..compositing.refine import refine_alpha
from ..compositing.smoothing import AlphaSmoother
from ..geometry import Letterbox, resize
from ..segmenter import Segmenter
from .latest import Latest

_LATE = 0.2  # weight of the last mask's time in what a mask takes of late
_POLL = 0.2  # seconds after which a thread that waits for a picture looks whether it should stop


@dataclass(frozen=True)
class Mask:
    """Alpha 0..1 at the model's size, how the picture it was made of lies in it, and when that was captured."""

    alpha: np.ndarray
    box: Letterbox
    captured: float

    def of(
        self, image: np.ndarray, refine: bool = False, steady: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """uint8 alpha height x width for `image`: the picture itself, or one soon after; `steady` as refine_alpha."""
        if refine:
            return refine_alpha(image, self.box.content(self.alpha), steady)
        return resize(self._levelled, image.shape[:2])

    @cached_property
    def _levelled(self) -> np.ndarray:
        return levels(self.box.content(self.alpha))


class Inference:
    """Threads that take the newest picture nobody has taken yet, and put it with its mask in `masks`, in order.

    `timed` is told how many seconds a picture took. An error ends all, and is raised to who takes from `masks`.
    """

    def __init__(
        self,
        segmenters: Sequence[Segmenter],
        pictures: Latest[tuple[np.ndarray, float]],
        smooth: bool,
        stop: threading.Event,
        timed: Callable[[str, float], None],
    ) -> None:
        self.masks: Latest[tuple[np.ndarray, Mask]] = Latest(room=len(segmenters))
        self._pictures, self._smooth, self._stop, self._timed = pictures, smooth, stop, timed
        self._claiming, self._number, self._claims = threading.Lock(), 0, 0  # of the picture claimed last; how many
        self._turns, self._turn = threading.Condition(), 1  # whose mask is to come next
        self._smoother, self._before = AlphaSmoother(), 0.0
        self._seconds = 0.0  # that a mask takes, of late
        self._threads = [
            threading.Thread(target=self._work, args=[segmenter], name="inference", daemon=True)
            for segmenter in segmenters
        ]
        self._working = len(self._threads)

    def start(self) -> None:
        """Begin to look for pictures."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> None:
        """Wait until all have ended, as they do when no more pictures come, or `stop` is set."""
        for thread in self._threads:
            thread.join(timeout)

    def keeps_up_with(self, rate: float) -> bool:
        """Whether masks come as fast as `rate` pictures per second, however late each is."""
        return self._seconds * rate <= len(self._threads)

    def _work(self, segmenter: Segmenter) -> None:
        try:
            while not self._stop.is_set():
                turn, taken = self._claim()
                if taken:
                    self._mask(segmenter, turn, *taken)
                elif self._pictures.closed:
                    break
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that takes masks
            self._stop.set()
            self.masks.close(error)
        with self._turns:
            self._working -= 1
            self._turns.notify_all()
            if not self._working:
                self.masks.close()

    def _claim(self) -> tuple[int, tuple[int, tuple[np.ndarray, float]] | None]:
        with self._claiming:
            taken = self._pictures.take(self._number, _POLL)
            if taken:
                self._number, self._claims = taken[0], self._claims + 1
            return self._claims, taken

    def _mask(self, segmenter: Segmenter, turn: int, number: int, picture: tuple[np.ndarray, float]) -> None:
        image, captured = picture
        began = time.monotonic()
        box, alpha = segmenter.small_alpha(image)
        with self._turns:  # a clip is smoothed, and shown, in its order
            self._turns.wait_for(lambda: self._turn == turn or self._stop.is_set())
            if self._smooth:
                alpha = self._smoother(alpha, elapsed=captured - self._before)
            self._turn, self._before = turn + 1, captured
            took = time.monotonic() - began
            self._seconds = _LATE * took + (1 - _LATE) * (self._seconds or took)
            self._timed("inference", took)
            self.masks.put((image, Mask(alpha, box, captured)), number)
            self._turns.notify_all()
