"""The paper's augmentation, plus cut-and-paste and upper-body crops. numpy and cv2; one generator per picture."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageEnhance

from ..runtime.geometry import PAD_VALUE, Letterbox, resize, resize_labels
from ..runtime.metrics import IGNORE
from .recipe import AugmentSpec
from .synthetic.camera import similarity


def random_geometry(
    image: np.ndarray,
    mask: np.ndarray,
    size: tuple[int, int],
    spec: AugmentSpec,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Letterbox into `size` and turn, scale, shift and flip about its centre, in one resampling.

    uint8 RGB and labels of any one size -> uint8 RGB and labels of `size`; what lies outside the picture is
    PAD_VALUE and background.
    """
    box = Letterbox.fit(image.shape[:2], size)
    zoom = rng.uniform(*spec.scale)
    # Shrink by area first: a warp samples four pixels, and would alias where the picture is much larger.
    shrink = 0.5 * image.shape[1] / (box.width * zoom)
    if shrink > 1:
        reduced = (max(1, int(image.shape[0] / shrink)), max(1, int(image.shape[1] / shrink)))
        image = resize(image, reduced)
        mask = resize_labels(mask, reduced)
    fit = np.diag([box.width / image.shape[1], box.height / image.shape[0], 1.0])
    fit[:2, 2] = box.left, box.top
    height, width = size
    angle = np.deg2rad(rng.uniform(-spec.rotation, spec.rotation))
    shift = rng.uniform(-spec.translation, spec.translation, 2) * (width, height)
    centre = np.array([width / 2, height / 2])
    turn = np.eye(3)
    turn[:2] = similarity(zoom, angle, 0.0, 0.0)
    turn[:2, 2] = centre + shift - turn[:2, :2] @ centre
    matrix = turn @ fit
    if rng.random() < spec.flip:
        matrix = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
    # From pixel edges, in which the matrix is written, to cv2's pixel centres.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    affine = (np.linalg.inv(half) @ matrix @ half)[:2]
    warped = cv2.warpAffine(image, affine, (width, height), flags=cv2.INTER_LINEAR, borderValue=(PAD_VALUE,) * 3)
    labels = cv2.warpAffine(mask, affine, (width, height), flags=cv2.INTER_NEAREST, borderValue=0)
    return warped, labels


def random_texture(image: np.ndarray, spec: AugmentSpec, rng: np.random.Generator) -> np.ndarray:
    """Colour, brightness, contrast, sharpness, blur and noise; uint8 RGB in and out."""
    picture = Image.fromarray(image)
    changes = [
        (ImageEnhance.Color, spec.colour),
        (ImageEnhance.Brightness, spec.brightness),
        (ImageEnhance.Contrast, spec.contrast),
        (ImageEnhance.Sharpness, spec.sharpness),
    ]
    for change, span in changes:
        picture = change(picture).enhance(rng.uniform(*span))
    image = np.asarray(picture)
    kernel = rng.choice([0, *spec.blur])
    if kernel:
        image = cv2.GaussianBlur(image, (int(kernel), int(kernel)), 0)
    deviation = rng.uniform(0, spec.noise)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(deviation)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def edge_of(mask: np.ndarray, thickness: int = 4) -> np.ndarray:
    """The paper's boundary label: contours of the smoothed foreground, `thickness` pixels wide; uint8 0/1."""
    foreground = ((mask > 0) & (mask != IGNORE)).astype(np.uint8) * 255
    smooth = (cv2.GaussianBlur(foreground, (5, 5), 0) > 127).astype(np.uint8)
    contours, _ = cv2.findContours(smooth, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), contours, -1, 1, thickness)


def upper_body(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Crop a person to head and upper body, cut by the lower edge; unchanged when there is no person."""
    rows = np.flatnonzero((mask == 1).any(1))
    if len(rows) < 32:
        return image, mask
    top, length = rows[0], rows[-1] - rows[0] + 1
    bottom = top + max(24, int(length * rng.uniform(0.22, 0.6)))
    height = (bottom - top) * rng.uniform(1.05, 1.5)
    start = max(0, int(bottom - height))
    columns = np.flatnonzero((mask[top:bottom] == 1).any(0))
    centre = columns.mean() + rng.normal(0, 0.1) * (columns[-1] - columns[0] + 1)
    half = (bottom - start) * rng.uniform(0.75, 1.7) / 2
    left, right = max(0, int(centre - half)), min(mask.shape[1], int(centre + half) + 1)
    if right - left < 16:
        return image, mask
    return image[start:bottom, left:right], mask[start:bottom, left:right]


def background_patch(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A random part of the picture that shows no foreground, at least a quarter of its shorter side; or None."""
    height, width = mask.shape
    # An integral image over the foreground tells in four look-ups whether a rectangle is free of it.
    total = cv2.integral((mask > 0).astype(np.uint8))
    for _ in range(20):
        side = rng.uniform(0.25, 1.0) * min(height, width)
        patch_height = max(1, min(height, int(side * rng.uniform(0.8, 1.25))))
        patch_width = max(1, min(width, int(side * rng.uniform(0.8, 1.25))))
        y, x = rng.integers(0, height - patch_height + 1), rng.integers(0, width - patch_width + 1)
        y2, x2 = y + patch_height, x + patch_width
        if total[y2, x2] - total[y, x2] - total[y2, x] + total[y, x] == 0:
            return image[y:y2, x:x2]
    return None


def paste(
    image: np.ndarray, mask: np.ndarray, background: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the foreground of `image` on `background` (any size), with a soft edge and partly matched colour."""
    scene = cv2.resize(background, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        scene = scene[:, ::-1]
    person = mask == 1
    alpha = cv2.GaussianBlur(person.astype(np.float32), (0, 0), rng.uniform(0.6, 1.4))[..., None]
    foreground = image.astype(np.float32)
    if person.any():
        shift = scene.mean((0, 1)) - image[person].mean(0)
        foreground = foreground + rng.uniform(0, 0.35) * shift.astype(np.float32)
    mixed = foreground * alpha + scene * (1 - alpha)
    return np.clip(mixed, 0, 255).astype(np.uint8), person.astype(np.uint8)
