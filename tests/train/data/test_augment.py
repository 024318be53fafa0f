import cv2
import numpy as np
import pytest
import torch

from portraitnet.runtime.geometry import GEOMETRIES, LETTERBOX, Letterbox
from portraitnet.train.data import augment
from portraitnet.train.data.draws import Canvases, draw
from portraitnet.train.recipe import AugmentSpec, SourceSpec

STILL = AugmentSpec(rotation=0, scale=(1, 1), translation=0, flip=0)


def scene(height=120, width=90):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (height, width, 3)).astype(np.uint8), (0, 0), 5)
    mask = np.zeros((height, width), np.uint8)
    mask[40:, 30:70] = 1
    return image, mask


def on_canvas(image, mask, canvas, count=1):
    """The same picture `count` times, letterboxed."""
    box = Letterbox.fit(mask.shape, canvas)
    rect = torch.tensor([[box.top, box.left, box.height, box.width]] * count)
    images, masks = (torch.from_numpy(array[None]) for array in (box.apply(image), box.apply_mask(mask)))
    return Canvases.plain(images.repeat(count, 1, 1, 1), masks.repeat(count, 1, 1), rect)


def draws_of(spec, count=1, seed=0, **source):
    return draw(seed, 0, count, [5], [SourceSpec("folder", **source)], spec)[1]


def warped(canvases, spec, size, seed=0, geometry=LETTERBOX):
    draws = draws_of(spec, len(canvases.images), seed)
    picture, labels, inside = augment.warp(
        canvases, augment.upper_body(canvases.masks, canvases.rects, draws), draws, size, geometry
    )
    return picture.permute(0, 2, 3, 1).numpy(), labels.numpy(), inside.numpy()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("shape", [(120, 90), (90, 120), (700, 500)])
def test_geometry_at_rest_is_the_runtimes(shape, geometry):
    """Training sees the pixels that the runtime will see."""
    image, mask = scene(*shape)
    pictures, labels, _ = warped(on_canvas(image, mask, (128, 128)), STILL, (64, 64), geometry=geometry)
    box = Letterbox.fit(shape, (64, 64), geometry)
    assert np.abs(pictures[0] - box.apply(image)).mean() < 3
    assert (labels[0] != box.apply_mask(mask)).mean() < 0.02


def test_geometry_keeps_picture_and_mask_together():
    _, mask = scene()
    image = np.repeat(mask[..., None] * 255, 3, axis=2)
    pictures, labels, inside = warped(on_canvas(image, mask, (192, 192), 10), AugmentSpec(), (96, 96))
    assert ((pictures[..., 0] > 127) == (labels == 1))[inside].mean() > 0.97
    assert not labels[~inside].any()
    assert (pictures[~inside] == 128).all()
    assert 0.2 < inside.mean() < 0.9


def test_turns_zooms_and_shifts_are_those_drawn():
    """A point of the canvas lands where the similarity (scale, angle, shift about the centre) sends it."""
    mask = np.zeros((256, 256), np.uint8)
    mask[60:68, 180:188] = 1
    image = np.repeat(mask[..., None] * 255, 3, axis=2)
    spec = AugmentSpec(rotation=30, scale=(0.7, 1.2), translation=0.1, flip=0)
    canvases = on_canvas(image, mask, (256, 256), 6)
    draws = draws_of(spec, 6)
    _, labels, _ = augment.warp(canvases, canvases.rects[:, [0, 1, 2, 3]].float(), draws, (128, 128))
    for index in range(6):
        rows, columns = np.nonzero(labels[index].numpy())
        angle, zoom = float(draws.angle[index]), float(draws.zoom[index])
        from_centre = np.array([184 - 128, 64 - 128]) / 2 * zoom
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        expected = turn @ from_centre + 64 + 128 * draws.shift[index].numpy()
        assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx(expected, abs=0.6)


def test_a_flip_mirrors():
    image, mask = scene(96, 96)
    spec = AugmentSpec(0, (1, 1), 0, 1.0)
    pictures, labels, _ = warped(on_canvas(image, mask, (192, 192)), spec, (96, 96))
    assert np.abs(pictures[0] - image[:, ::-1]).mean() < 2
    np.testing.assert_array_equal(labels[0], mask[:, ::-1])


def test_shrinking_does_not_alias():
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    canvases = on_canvas(stripes, np.zeros((300, 300), np.uint8), (300, 300))
    pictures, _, _ = warped(canvases, STILL, (100, 100))
    assert np.abs(pictures - 127.5).max() < 70  # four bilinear neighbours alone would give 0 and 255


def test_texture_changes_colours_but_is_repeatable_and_the_same_in_any_share():
    image, mask = scene()
    pictures = on_canvas(image, mask, (96, 96), 4).images.permute(0, 3, 1, 2).float()
    whole = augment.random_texture(pictures, draws_of(AugmentSpec(), 4))
    assert (whole - pictures).abs().mean() > 2
    assert (whole[0] - whole[1]).abs().mean() > 2
    for rank in range(2):
        _, draws = draw(0, 0, 4, [5], [SourceSpec("folder")], AugmentSpec(), rank, world=2)
        half = augment.random_texture(pictures[:2], draws)
        assert torch.allclose(half, whole[2 * rank : 2 * rank + 2], atol=1e-3)


def test_texture_factors_mean_what_they_mean_in_pillow():
    from PIL import Image, ImageEnhance

    image, mask = scene()
    image[20:60, 20:60] = (250, 20, 90)
    pictures = on_canvas(image, mask, (96, 96)).images.permute(0, 3, 1, 2).float()
    spec = AugmentSpec(
        colour=(1.4, 1.4), brightness=(0.8, 0.8), contrast=(1.3, 1.3), sharpness=(1.8, 1.8), blur=(), noise=0
    )
    expected = Image.fromarray(pictures[0].permute(1, 2, 0).to(torch.uint8).numpy())
    enhancers = (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Sharpness)
    for enhance, factor in zip(enhancers, (1.4, 0.8, 1.3, 1.8), strict=True):
        expected = enhance(expected).enhance(factor)
    result = augment.random_texture(pictures, draws_of(spec))[0].permute(1, 2, 0).numpy()
    inner = (slice(1, -1), slice(1, -1))  # Pillow does not smooth the border
    assert np.abs(result - np.asarray(expected, float))[inner].max() < 6  # which rounds to bytes four times


@pytest.mark.parametrize("kernel", [0, 3, 5])
def test_blur_is_a_gaussian_of_so_many_pixels(kernel):
    pictures = on_canvas(*scene(), (96, 96)).images.permute(0, 3, 1, 2).float()
    ones = (1.0, 1.0)
    spec = AugmentSpec(colour=ones, brightness=ones, contrast=ones, sharpness=ones, noise=0)
    draws = draws_of(spec)._replace(blur=torch.tensor([kernel]))
    blurred = augment.random_texture(pictures, draws)[0].permute(1, 2, 0).numpy()
    wanted = pictures[0].permute(1, 2, 0).numpy()
    if kernel:
        wanted = cv2.GaussianBlur(wanted, (kernel, kernel), 0, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(blurred - wanted).max() < 2


def test_edges_follow_the_outline():
    _, mask = scene()
    mask[100:] = 0
    edge = augment.edge_of(torch.from_numpy(mask[None]))[0].numpy()
    rows, columns = np.nonzero(edge)
    assert edge[80, 30] == 1
    assert edge[80, 50] == 0
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[rows, columns]
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)[rows, columns]
    assert max(inside.max(), outside.max()) <= 4
    assert edge[:, :5].sum() == 0


def test_upper_body_keeps_the_head_and_cuts_below():
    mask = np.zeros((300, 200), np.uint8)
    mask[40:280, 80:120] = 1
    canvases = on_canvas(np.zeros((300, 200, 3), np.uint8), mask, (300, 300), 40)
    draws = draws_of(AugmentSpec(), 40, upper_body=1.0)
    views = augment.upper_body(canvases.masks, canvases.rects, draws)
    for top, left, bottom, right in views.tolist():
        assert 0 <= top <= 40
        assert 40 + 24 <= bottom <= 40 + 0.61 * 240
        assert 50 <= left < right <= 250  # the picture's own columns on its canvas
    labels = augment.warp(canvases, views, draws_of(STILL, 40), (64, 64))[1]
    assert (labels.flatten(1) == 1).any(1).all()
    nobody = canvases._replace(masks=torch.zeros_like(canvases.masks))
    assert augment.upper_body(nobody.masks, nobody.rects, draws)[0].tolist() == [0, 50, 300, 250]


def test_background_patches_hold_no_person():
    _, mask = scene()
    canvases = on_canvas(np.zeros((120, 90, 3), np.uint8), mask, (120, 120), 20)
    patch, found = augment.background_patches(canvases.masks, canvases.rects, draws_of(AugmentSpec(), 20).patch)
    assert found.sum() >= 5
    for (top, left, bottom, right), free in zip(patch.long().tolist(), found.tolist(), strict=True):
        if free:
            assert not canvases.masks[0, top:bottom, left:right].any()
            assert min(bottom - top, right - left) >= 22
            assert left >= 15
            assert right <= 105
    everyone = torch.ones_like(canvases.masks)
    assert not augment.background_patches(everyone, canvases.rects, draws_of(AugmentSpec(), 20).patch)[1].any()


def test_pasting_replaces_the_background_only():
    image, mask = scene()
    plain = on_canvas(image, mask, (192, 192), 2)
    behind = on_canvas(np.full((50, 50, 3), 200, np.uint8), np.zeros((50, 50), np.uint8), (192, 192))
    canvases = Canvases(*plain[:3], *behind[:3], paste_into=torch.tensor([1]))
    draws = draws_of(STILL, 2)
    changed, original, labels = augment.augment(canvases, draws, (96, 96))
    untouched = augment.augment(plain, draws, (96, 96))
    assert changed.shape == original.shape == (2, 3, 96, 96)
    np.testing.assert_array_equal(original[0], untouched[1][0])
    np.testing.assert_array_equal(labels, untouched[2])
    far = cv2.distanceTransform(1 - labels[1].numpy(), cv2.DIST_L2, 3) > 6
    far[:, :13] = far[:, -13:] = False  # the letterbox's own margin stays what it is
    assert (original[1].numpy()[:, far] == 200).all()
    assert (original[1].numpy()[:, :, :10] == 128).all()
