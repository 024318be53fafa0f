import cv2
import numpy as np
import pytest

from portraitnet.runtime.compositing.composite import blend
from portraitnet.runtime.compositing.fringe import without_fringe


def mixture(sigma, size=(240, 320)):
    """A warm person mixed with a dark background by a soft alpha; the true composite on white."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    person = np.stack([200 + 30 * np.sin(columns / 40), 120 + 30 * np.cos(rows / 30), 90 + 0 * columns], -1)
    behind = np.stack([40 + 20 * np.sin(rows / 20), 60 + 0 * columns, 80 + 0 * columns], -1)
    inside = np.hypot(rows - size[0] / 2, columns - size[1] / 2) < 70 + 8 * np.sin(columns / 9)
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), sigma)[..., None]
    image = soft * person + (1 - soft) * behind + np.random.default_rng(0).normal(0, 2, person.shape)
    image, alpha = np.clip(image, 0, 255).astype(np.uint8), np.rint(soft[..., 0] * 255).astype(np.uint8)
    return image, alpha, soft * person + (1 - soft) * 255


@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_the_old_background_no_longer_shines_through_the_outline(sigma):
    image, alpha, truth = mixture(sigma)
    white, band = np.full_like(image, 255), (alpha > 10) & (alpha < 245)

    def error(picture):
        return np.abs(blend(picture, white, alpha) - truth)[band].mean()

    assert error(without_fringe(image, alpha)) < 0.5 * error(image)


def test_what_is_wholly_the_person_keeps_its_detail():
    image, alpha, _ = mixture(2.0)
    core = cv2.erode((alpha == 255).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert np.abs(without_fringe(image, alpha).astype(int) - image)[core].max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (50, 40), (700, 333)])
@pytest.mark.parametrize("level", [0, 255])
def test_any_size_and_a_mask_that_is_all_or_nothing(size, level):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    result = without_fringe(image, np.full(size, level, np.uint8))
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    if level:
        np.testing.assert_array_equal(result, image)
