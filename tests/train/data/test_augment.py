import colorsys

import cv2
import numpy as np
import pytest
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.geometry import GEOMETRIES, LETTERBOX, Letterbox
from portraitnet.runtime.metrics import IGNORE
from portraitnet.train.data import augment
from portraitnet.train.data.augment import Target
from portraitnet.train.data.draws import Canvases, draw
from portraitnet.train.data.texture import random_texture, scale_hls
from portraitnet.train.datasets.base import mirrored_classes
from portraitnet.train.datasets.voc import VOC_CLASSES
from portraitnet.train.parse import parse
from portraitnet.train.recipe import AugmentSpec, DataSpec, SourceSpec

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


def warped(canvases, spec, size, seed=0, geometry=LETTERBOX, **target):
    draws = draws_of(spec, len(canvases.images), seed)
    picture, labels, inside = augment.warp(
        canvases, augment.upper_body(canvases.masks, canvases.rects, draws), draws, Target(size, geometry, **target)
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


@pytest.mark.parametrize(
    ("classes", "outside"), [(("background", "person"), 0), (("road", "sky", "car"), IGNORE), (VOC_CLASSES, 0)]
)
def test_geometry_keeps_picture_and_mask_together(classes, outside):
    """Beyond the border lies background; where label 0 is the road, nobody knows what."""
    _, mask = scene()
    image = np.repeat(mask[..., None] * 255, 3, axis=2)
    target = Target.of(DataSpec(), classes)
    canvases = on_canvas(image, mask, (192, 192), 10)
    pictures, labels, inside = warped(canvases, AugmentSpec(), (96, 96), outside=target.outside)
    assert ((pictures[..., 0] > 127) == (labels == 1))[inside].mean() > 0.97
    assert (labels[~inside] == outside).all()
    assert set(np.unique(labels[inside])) <= {0, 1}
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
    _, labels, _ = augment.warp(canvases, canvases.rects[:, [0, 1, 2, 3]].float(), draws, Target((128, 128)))
    for index in range(6):
        rows, columns = np.nonzero(labels[index].numpy())
        angle, zoom = float(draws.angle[index]), float(draws.zoom[index])
        from_centre = np.array([184 - 128, 64 - 128]) / 2 * zoom
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        expected = turn @ from_centre + 64 + 128 * draws.shift[index].numpy()
        assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx(expected, abs=0.6)


def test_a_flip_mirrors():
    image, mask = scene(96, 96)
    spec = AugmentSpec(rotation=0, scale=(1, 1), translation=0, flip=1)
    pictures, labels, _ = warped(on_canvas(image, mask, (192, 192)), spec, (96, 96))
    assert np.abs(pictures[0] - image[:, ::-1]).mean() < 2
    np.testing.assert_array_equal(labels[0], mask[:, ::-1])


FACE = ("background", "l_eye", "r_eye", "l_lip", "u_lip", "left brow", "right brow")


def test_a_mirrored_left_eye_is_a_right_eye():
    assert mirrored_classes(FACE) == (0, 2, 1, 3, 4, 6, 5)  # lips are lower and upper
    mask = np.zeros((96, 96), np.uint8)
    mask[20:40, 60:80], mask[20:40, 10:30], mask[60:70, 30:60], mask[80:90, 40:50] = 1, 2, 3, IGNORE
    canvases = on_canvas(np.zeros((96, 96, 3), np.uint8), mask, (192, 192), 12)
    spec = AugmentSpec(rotation=0, scale=(1, 1), translation=0)
    flipped = draws_of(spec, 12).flip.numpy()
    assert 0 < flipped.sum() < 12
    for swaps in (True, False):
        augmentation = AugmentSpec(swap_sides=swaps)
        target = Target.of(DataSpec(size=(96, 96), augment=augmentation), FACE)
        labels = warped(canvases, spec, target.size, outside=target.outside, mirrored=target.mirrored)[1]
        swapped = mask[:, ::-1].copy()
        if swaps:
            swapped[mask[:, ::-1] == 1], swapped[mask[:, ::-1] == 2] = 2, 1
        for index in range(12):
            np.testing.assert_array_equal(labels[index], swapped if flipped[index] else mask)


def test_shrinking_does_not_alias():
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    canvases = on_canvas(stripes, np.zeros((300, 300), np.uint8), (300, 300))
    pictures, _, _ = warped(canvases, STILL, (100, 100))
    assert np.abs(pictures - 127.5).max() < 70  # four bilinear neighbours alone would give 0 and 255


def test_texture_changes_colours_but_is_repeatable_and_the_same_in_any_share():
    image, mask = scene()
    pictures = on_canvas(image, mask, (96, 96), 4).images.permute(0, 3, 1, 2).float()
    whole = random_texture(pictures, draws_of(AugmentSpec(), 4))
    assert (whole - pictures).abs().mean() > 2
    assert (whole[0] - whole[1]).abs().mean() > 2
    for rank in range(2):
        _, draws = draw(0, 0, 4, [5], [SourceSpec("folder")], AugmentSpec(), rank, world=2)
        half = random_texture(pictures[:2], draws)
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
    result = random_texture(pictures, draws_of(spec))[0].permute(1, 2, 0).numpy()
    inner = (slice(1, -1), slice(1, -1))  # Pillow does not smooth the border
    assert np.abs(result - np.asarray(expected, float))[inner].max() < 6  # which rounds to bytes four times


@pytest.mark.parametrize("kernel", [0, 3, 5])
def test_blur_is_a_gaussian_of_so_many_pixels(kernel):
    pictures = on_canvas(*scene(), (96, 96)).images.permute(0, 3, 1, 2).float()
    ones = (1.0, 1.0)
    spec = AugmentSpec(colour=ones, brightness=ones, contrast=ones, sharpness=ones, noise=0)
    draws = draws_of(spec)._replace(blur=torch.tensor([kernel]))
    blurred = random_texture(pictures, draws)[0].permute(1, 2, 0).numpy()
    wanted = pictures[0].permute(1, 2, 0).numpy()
    if kernel:
        wanted = cv2.GaussianBlur(wanted, (kernel, kernel), 0, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(blurred - wanted).max() < 2


@pytest.mark.parametrize("kernel", [3, 7, 9])
def test_box_blur_and_wide_kernels(kernel):
    pictures = on_canvas(*scene(), (96, 96)).images.permute(0, 3, 1, 2).float()
    ones = (1.0, 1.0)
    plain = {"colour": ones, "brightness": ones, "contrast": ones, "sharpness": ones, "noise": 0}
    for shape in ("box", "gaussian"):
        spec = AugmentSpec(**plain, blur=(kernel,), blur_kernel=shape)
        draws = draws_of(spec)._replace(blur=torch.tensor([kernel]))
        blurred = random_texture(pictures, draws)[0].permute(1, 2, 0).numpy()
        before, border = pictures[0].permute(1, 2, 0).numpy(), cv2.BORDER_REPLICATE
        if shape == "box":
            wanted = cv2.blur(before, (kernel, kernel), borderType=border)
        else:
            wanted = cv2.GaussianBlur(before, (kernel, kernel), 0, borderType=border)
        assert np.abs(blurred - wanted).max() < 2


@pytest.mark.parametrize("sizes", [(4,), (3, 33), (-3,)])
def test_blur_kernels_that_no_filter_has_are_refused(sizes):
    with pytest.raises(InputError, match=r"blur: -?\d+ is (even|out of range)"):
        parse(AugmentSpec, {"blur": sizes})


def test_hls_factors_are_those_of_colorsys():
    rng = np.random.default_rng(3)
    colours = rng.random((2, 3, 4, 5)).astype(np.float32)
    colours[0, :, 0, 0], colours[0, :, 0, 1], colours[0, :, 0, 2] = 0, 1, 0.5  # grey has no hue
    factors = torch.tensor([[1.7, 0.6, 0.4], [0.4, 1.5, 1.7]])
    found = scale_hls(torch.from_numpy(colours), factors).numpy()
    for picture in range(2):
        by_hue, by_lightness, by_saturation = factors[picture].tolist()
        for row, column in np.ndindex(4, 5):
            hue, lightness, saturation = colorsys.rgb_to_hls(*colours[picture, :, row, column])
            changed = (hue * by_hue) % 1, min(lightness * by_lightness, 1), min(saturation * by_saturation, 1)
            assert found[picture, :, row, column] == pytest.approx(colorsys.hls_to_rgb(*changed), abs=1e-5)


def test_each_change_is_made_with_its_probability():
    spec = AugmentSpec(texture_probability=0.5, hue=(0.4, 0.9), blur=(3, 5, 7, 9))
    draws = draws_of(spec, 2000)
    for changed in (draws.colour != 1, draws.contrast != 1, draws.hls[:, 0] != 1, draws.blur != 0):
        assert 0.35 < changed.float().mean() < 0.55
    both = ((draws.colour != 1) & (draws.contrast != 1)).float().mean()
    assert both == pytest.approx(0.25, abs=0.04)  # each by itself
    assert (draws.hls[:, 1:] == 1).all()
    always = draws_of(AugmentSpec(), 200)
    assert (always.colour != 1).all()
    assert not always.changes_hls


def test_boundary_labels_are_unknown_along_unknown_pixels():
    mask = np.zeros((60, 60), np.uint8)
    mask[20:40, 10:30], mask[20:40, 30:40] = 1, IGNORE
    edge = augment.edge_of(torch.from_numpy(mask[None]))[0].numpy()
    assert (edge[20:40, 26:44] == IGNORE).all()  # neither the outline towards the unknown nor the unknown itself
    certain = augment.edge_of(torch.from_numpy((mask == 1).astype(np.uint8)[None]))[0].numpy()
    np.testing.assert_array_equal(edge[:, :26], certain[:, :26])
    assert edge[30, 10] == 1
    assert (edge != IGNORE)[:, 44:].all()


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
    labels = augment.warp(canvases, views, draws_of(STILL, 40), Target((64, 64)))[1]
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
    changed, original, labels = augment.augment(canvases, draws, Target((96, 96)))
    untouched = augment.augment(plain, draws, Target((96, 96)))
    assert changed.shape == original.shape == (2, 3, 96, 96)
    np.testing.assert_array_equal(original[0], untouched[1][0])
    np.testing.assert_array_equal(labels, untouched[2])
    far = cv2.distanceTransform(1 - labels[1].numpy(), cv2.DIST_L2, 3) > 6
    far[:, :13] = far[:, -13:] = False  # the letterbox's own margin stays what it is
    assert (original[1].numpy()[:, far] == 200).all()
    assert (original[1].numpy()[:, :, :10] == 128).all()
