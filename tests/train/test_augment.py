import cv2
import numpy as np
import pytest

from portraitnet.runtime.geometry import Letterbox
from portraitnet.train import augment
from portraitnet.train.recipe import AugmentSpec

STILL = AugmentSpec(rotation=0, scale=(1, 1), translation=0, flip=0)


def scene(height=120, width=90):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (height, width, 3)).astype(np.uint8), (0, 0), 5)
    mask = np.zeros((height, width), np.uint8)
    mask[40:, 30:70] = 1
    return image, mask


@pytest.mark.parametrize("shape", [(120, 90), (90, 120), (700, 500)])
def test_geometry_at_rest_is_the_letterbox(shape):
    """Training sees the pixels that the runtime will see."""
    image, mask = scene(*shape)
    warped, labels = augment.random_geometry(image, mask, (64, 64), STILL, np.random.default_rng(0))
    box = Letterbox.fit(shape, (64, 64))
    assert np.abs(warped.astype(int) - box.apply(image)).mean() < 3
    assert (labels != box.apply_mask(mask)).mean() < 0.02


def test_geometry_keeps_picture_and_mask_together():
    _, mask = scene()
    image = np.repeat(mask[..., None] * 255, 3, axis=2)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        warped, labels = augment.random_geometry(image, mask, (96, 96), AugmentSpec(), rng)
        outside = warped[..., 0] == 128
        assert ((warped[..., 0] > 127) == (labels == 1))[~outside].mean() > 0.97
        assert not labels[outside & (cv2.erode(outside.astype(np.uint8), np.ones((3, 3))) > 0)].any()


def test_a_flip_mirrors():
    image, mask = scene(96, 96)
    flipped = augment.random_geometry(image, mask, (96, 96), AugmentSpec(0, (1, 1), 0, 1.0), np.random.default_rng(0))
    np.testing.assert_array_equal(flipped[0], image[:, ::-1])
    np.testing.assert_array_equal(flipped[1], mask[:, ::-1])


def test_texture_changes_colours_but_is_repeatable():
    image, _ = scene()
    first, again = (augment.random_texture(image, AugmentSpec(), np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == image.shape
    assert np.abs(first.astype(int) - image).mean() > 2


def test_edges_follow_the_outline():
    _, mask = scene()
    mask[100:] = 0
    edge = augment.edge_of(mask)
    rows, columns = np.nonzero(edge)
    assert edge[80, 30] == 1
    assert edge[80, 50] == 0
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[rows, columns]
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)[rows, columns]
    assert max(inside.max(), outside.max()) <= 4


def test_upper_body_keeps_the_head_and_cuts_below():
    mask = np.zeros((300, 200), np.uint8)
    mask[40:280, 80:120] = 1
    image = np.zeros((300, 200, 3), np.uint8)
    for seed in range(20):
        _, cropped = augment.upper_body(image, mask, np.random.default_rng(seed))
        assert cropped[-1].any()
        assert cropped.shape[0] < 300
        assert 24 <= cropped.any(1).sum() <= 0.61 * 240


def test_background_patches_hold_no_person():
    image, mask = scene()
    image[mask == 1] = 255
    image[mask == 0] = 10
    patches = [augment.background_patch(image, mask, np.random.default_rng(s)) for s in range(20)]
    assert sum(patch is not None for patch in patches) >= 5
    assert all((patch == 10).all() for patch in patches if patch is not None)
    assert augment.background_patch(image, np.ones_like(mask), np.random.default_rng(0)) is None


def test_pasting_replaces_the_background_only():
    image, mask = scene()
    background = np.full((10, 10, 3), 200, np.uint8)
    mixed, labels = augment.paste(image, mask, background, np.random.default_rng(0))
    np.testing.assert_array_equal(labels, mask)
    far = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3) > 6
    assert (mixed[far] == 200).all()
