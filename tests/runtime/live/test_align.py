"""Aligned pictures, and the framing of what is shown."""

import threading
from itertools import pairwise

import cv2
import numpy as np
import pytest

from portraitnet.runtime.compositing.composite import Picture
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.live.pipeline import LivePipeline
from portraitnet.runtime.live.webcam import Controls, Webcam
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.tests.runtime.live.stand_ins import Bright, Moving, has_its_own_mask, number_of


def test_aligned_pictures_have_their_own_masks_however_slow_the_model():
    class Slow(Bright):
        """Slower than the camera, so that the pipeline would not wait for it."""

        def run(self, batch):
            threading.Event().wait(0.03)
            return super().run(batch)

    source = Moving(30, ahead=3)
    source.rate = 1000.0
    shown = []
    with LivePipeline(source, [Segmenter(Slow())], smooth=False, align=True) as pipeline:
        for one in pipeline:
            shown.append(one)
            source.shown(number_of(one.image))
    assert len(shown) > 5
    numbers = [number_of(one.image) for one in shown]
    assert numbers == sorted(set(numbers))
    for one in shown:
        has_its_own_mask(one)


def test_aligned_pictures_end_with_the_source_and_raise_what_the_model_raises():
    class Broken(Bright):
        def run(self, batch):
            raise InputError("no")

    source = Moving(3, patience=0.1)
    with pytest.raises(InputError, match="no"), LivePipeline(source, [Segmenter(Broken())], align=True) as pipeline:
        list(pipeline)
    source = Moving(4, ahead=4)
    with LivePipeline(source, [Segmenter(Bright())], smooth=False, align=True) as pipeline:
        assert len(list(pipeline)) >= 1


def test_the_framing_gets_every_picture_with_its_alpha_and_decides_what_is_shown():
    shown = []

    class Sink:
        def send(self, image, seconds):
            shown.append(image)

        def close(self):
            pass

    class Framing:
        def __call__(self, image, alpha, seconds):
            assert image.shape[:2] == alpha.shape
            return image[::-1], alpha[::-1]

    source = Moving(2, ahead=2)
    controls = Controls([Picture(np.full((1, 1, 3), 9, np.uint8))])
    Webcam(source, [Segmenter(Bright())], controls, [Sink()], framing=Framing(), smooth=False).run()
    assert shown
    assert (shown[0][25, 10] > 150).all() or (shown[0][39, 15] > 150).all()
    assert (shown[0][0, 0] == 9).all()


def test_refined_outlines_of_a_still_camera_are_smoothed_too():
    """The camera's noise comes back with the picture that they are drawn to."""

    class Noisy(Moving):
        def read(self):
            image = super().read()
            if image is not None:
                rng, image[:] = np.random.default_rng(self.number), 60
                image[:, 20:50] = 200
                image[:] = np.clip(image + rng.normal(0, 14, image.shape), 0, 255)
            return image

    class Blurred(Bright):
        def run(self, batch):
            alpha = np.zeros((64, 64), np.float32)
            alpha[:, 16:40] = 1
            return cv2.GaussianBlur(alpha, (0, 0), 3)[None, ..., None]

    def trembling(smooth):
        source, alphas = Noisy(12, (64, 64)), []

        def record(image, alpha, seconds):
            alphas.append(alpha.astype(float))
            return image, alpha

        def next_picture():
            source.shown(source.number)
            return ""

        controls = Controls([Picture(np.zeros((1, 1, 3), np.uint8))])
        Webcam(
            source, [Segmenter(Blurred())], controls, keys=next_picture, framing=record, smooth=smooth, refine=True
        ).run()
        assert len(alphas) == 12
        return np.mean([np.abs(after - before).mean() for before, after in pairwise(alphas)])

    assert trembling(smooth=True) < 0.5 * trembling(smooth=False)
