"""A camera and a model for tests of the live pipeline, which depend on no clock."""

import threading

import numpy as np

from portraitnet.runtime.contract import Contract
from portraitnet.runtime.live.pipeline import LivePipeline
from portraitnet.runtime.segmenter import Segmenter


class Moving:
    """A camera whose next picture comes when one was shown: a bright square that moves, its number in the first pixel.

    So nothing here depends on how fast this machine is. At such a low rate the pipeline waits 20 seconds for a mask.
    `patience` is the seconds to wait for a picture to be shown: few for a test that leaves its pipeline early.
    """

    rate = 0.05

    def __init__(self, pictures=30, size=(60, 80), ahead=1, patience=60.0):
        self.left, self.size, self.number, self.closed, self.patience = pictures, size, 0, False, patience
        self._next, self._shown = threading.Semaphore(ahead), 0

    def read(self):
        if self.number == self.left:
            return None
        self._next.acquire(timeout=self.patience)
        self.number += 1
        image = np.zeros((*self.size, 3), np.uint8)
        image[20:40, self.number : self.number + 20] = 220
        image[0, 0] = self.number
        return image

    def shown(self, number):
        """Let come as many pictures as have gone."""
        if number > self._shown:  # the same one may be shown again
            self._next.release(number - self._shown)
            self._shown = number

    def close(self):
        self.closed = True


def number_of(image):
    return int(image[0, 0, 0])


class Bright:
    """A model that finds the square."""

    contract = Contract("bright", ("background", "person"), 64, 64)

    def __init__(self):
        self.runs = 0

    def run(self, batch):
        self.runs += 1
        return (batch.mean(-1, keepdims=True) > 160).astype(np.float32)


def shown_by(source, *backends, smooth=False):
    pictures = []
    with LivePipeline(source, [Segmenter(backend) for backend in backends], smooth) as pipeline:
        for one in pipeline:
            pictures.append((number_of(one.image), one))
            source.shown(number_of(one.image))
    return pictures


def has_its_own_mask(shown):
    alpha = shown.mask.of(shown.image)
    assert shown.own_mask
    assert shown.mask.captured == shown.captured
    assert alpha.shape == shown.image.shape[:2]
    assert alpha[shown.image[..., 0] > 200].mean() > 200
    assert alpha[shown.image[..., 0] < 100].mean() < 20
