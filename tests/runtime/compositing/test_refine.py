import cv2
import numpy as np
import pytest

from portraitnet.runtime.compositing.levels import levels
from portraitnet.runtime.compositing.refine import refine_alpha
from portraitnet.runtime.compositing.smoothing import AlphaSmoother
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.metrics import boundary_iou, flicker, iou
from portraitnet.runtime.segmenter import Segmenter


def scene(height=360, width=480):
    """A wavy person before a background of another colour, with grain: picture and true mask."""
    rows, columns = np.mgrid[:height, :width]
    half = width / 5 + 12 * np.sin(rows / 17)
    mask = np.abs(columns - width / 2) < half
    image = np.where(mask[..., None], (180, 120, 90), (60, 110, 150))
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mask


def coarse(mask, size=(42, 56)):
    """What a small model would say: low resolution, and soft."""
    small = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 1.0)


def test_a_coarse_outline_is_drawn_to_the_pictures_own_edge():
    image, mask = scene()
    before = cv2.resize(coarse(mask), mask.shape[::-1]) > 0.5
    after = refine_alpha(image, coarse(mask))
    assert after.dtype == np.uint8
    assert after.shape == mask.shape
    assert boundary_iou(after > 127, mask) > boundary_iou(before, mask) + 0.08
    assert iou(after > 127, mask) > iou(before, mask)


@pytest.mark.parametrize("size", [(720, 1280), (33, 50), (2000, 31), (1, 1), (3, 900)])
@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
def test_a_flat_alpha_stays_as_it_is_in_pictures_of_any_size(size, value):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    refined = refine_alpha(image, np.full((20, 20), value, np.float32))
    assert refined.shape == size
    assert np.abs(refined.astype(int) - levels(np.full(size, value, np.float32), 0.2, 0.8)).max() <= 1


def test_a_picture_without_edges_changes_nothing():
    _, mask = scene()
    grey = np.full((*mask.shape, 3), 128, np.uint8)
    plain = cv2.resize(coarse(mask), mask.shape[::-1]) > 0.5
    assert iou(refine_alpha(grey, coarse(mask)) > 127, plain) > 0.97


class Coarse:
    contract = Contract("coarse", ("background", "person"), 64, 64)

    def __init__(self, mask):
        self.alpha = cv2.resize(mask.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)

    def run(self, batch):
        return self.alpha[None, ..., None]


def test_a_segmenter_refines_when_asked_to():
    image, mask = scene(480, 480)
    plain, refined = (Segmenter(Coarse(mask), refine) for refine in (False, True))
    assert boundary_iou(refined.labels(image) > 0, mask) > boundary_iou(plain.labels(image) > 0, mask)
    assert (refined.labels(image) == (refined.alpha_bytes(image) > 127)).all()
    assert np.abs(refined(image) * 255 - refined.alpha_bytes(image)).max() < 1e-3
    np.testing.assert_array_equal(refined.alpha_bytes(image), refine_alpha(image, Coarse(mask).alpha))


def test_grain_leaves_no_soft_flanks():
    """A window that sees grain gives alpha between the two; levels of its own take that away."""
    image, mask = scene()
    grain = np.random.default_rng(1).normal(0, 15, image.shape)
    refined = refine_alpha(np.clip(image + grain, 0, 255).astype(np.uint8), coarse(mask, (84, 112)))
    plain = cv2.resize(levels(coarse(mask, (84, 112))), mask.shape[::-1])
    before, after = (np.abs(alpha / 255 - mask).mean() for alpha in (plain, refined))
    assert after < before / 4  # with the levels of plain alpha: half


def test_a_steady_outline_does_not_tremble_with_the_cameras_noise():
    _, mask = scene()
    clean = np.where(mask[..., None], (180, 120, 90), (60, 110, 150))
    rng = np.random.default_rng(0)
    clip = [np.clip(clean + rng.normal(0, 8, clean.shape), 0, 255).astype(np.uint8) for _ in range(6)]
    smoother = AlphaSmoother()
    plain, steady = ([refine_alpha(frame, coarse(mask), way) for frame in clip] for way in (None, smoother))
    truths = [mask] * len(clip)
    trembling, still = (flicker([alpha / 255 for alpha in alphas], truths) for alphas in (plain, steady))
    assert still < trembling / 2
    assert np.abs(plain[0].astype(int) - steady[0]).max() <= 1  # the first is taken as it is
    assert boundary_iou(steady[-1] > 127, mask) > boundary_iou(plain[-1] > 127, mask) - 0.02
