"""Rendered portraits with loose strands of hair and exact alpha: how much of each pixel the person covers.

Everything is rendered several times finer than the result. Person and background are separate layers until the lens
has blurred them, so alpha is exact behind every strand, also where the background is out of focus.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from .scene import Scene, random_scene
from .sensor import expose, jpeg
from .shading import shade
from .shapes import Box, Ellipsoid, Rays, SurfaceTable, cast
from .textures import smooth_noise

_VERSION = 1  # part of every seed, as in render.py
_FINE = 3  # rendered pixels for each pixel of the result, along each side
_STREAM = 77  # keeps these scenes apart from those of `render_portrait`
_POINTS = 12  # of a strand's curve
_SHIFT = 4  # bits of a pixel's fraction in OpenCV's drawing
_SPREAD = 4  # pixels: deviation of the blur that carries the person's colours beyond its outline


class Matte(NamedTuple):
    """uint8 RGB height x width x 3, uint8 alpha height x width, and the person's own RGB where alpha is above 0.

    `background` is the RGB of what is behind, `contrast` (height x width) the mean over RGB of its distance from the
    person's colours; where alpha is 0, from those nearby. uint8, too.
    """

    image: np.ndarray
    alpha: np.ndarray
    foreground: np.ndarray
    background: np.ndarray
    contrast: np.ndarray


class _Layers(NamedTuple):
    """Linear radiance of the person and of what is behind, and coverage 0..1; float32."""

    person: np.ndarray
    behind: np.ndarray
    alpha: np.ndarray


def render_matte(seed: int, size: int | tuple[int, int] = 512) -> Matte:
    """Portrait number `seed` (>= 0) with strands of hair, and its true alpha and foreground.

    `size` is the side or (height, width) in pixels. People fill a tenth to two thirds of the picture. The result
    depends on the arguments alone.
    """
    height, width = (size, size) if isinstance(size, int) else size
    for attempt in range(100):
        rng = np.random.default_rng((_VERSION, _STREAM, seed, attempt))
        layers = _layers(rng, (_FINE * height, _FINE * width))
        if layers is not None:
            return _photographed(rng, layers, (height, width))
    raise AssertionError("one scene in two shows a person with hair")


def _layers(rng: np.random.Generator, size: tuple[int, int]) -> _Layers | None:
    """A scene's layers; None when it shows nobody, or no hair before the background."""
    scene = random_scene(rng, size)
    noise = smooth_noise(rng, 28, size) + 0.7 * smooth_noise(rng, 75, size)
    rays = Rays.through_pixels(size, scene.K)
    hits = cast(scene.shapes, rays, noise)
    table = SurfaceTable.of(scene.shapes, hits)
    person = table.person.take(hits.surface)
    hair = _hair_rows(scene).take(hits.surface)
    roots = _outline(hair, person)
    if not 0.1 < person.mean() < 0.65 or len(roots) < size[0] // 2:
        return None
    radiance = shade(scene, rays, hits, table)
    empty = replace(scene, shapes=[shape for shape in scene.shapes if isinstance(shape, Box) or not _is_person(shape)])
    empty_hits = cast(empty.shapes, rays, noise)
    background = shade(empty, rays, empty_hits, SurfaceTable.of(empty.shapes, empty_hits))
    behind = np.where(person[..., None], background, radiance)
    strands, colours = _strands(rng, roots, person, hair, radiance)
    alpha = np.maximum(person.astype(np.float32), strands)
    return _Layers(np.where(person[..., None], radiance, colours), behind, alpha)


def _is_person(shape: Ellipsoid) -> bool:
    return shape.material.person


def _hair_rows(scene: Scene) -> np.ndarray:
    """Whether each row of the scene's SurfaceTable is hair."""
    return np.concatenate(
        [[False] * 6 if isinstance(shape, Box) else [shape.material.hair] for shape in scene.shapes]
    ).astype(bool)


def _outline(hair: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Rows and columns of hair beside background: n x 2."""
    near = cv2.dilate((~person).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.argwhere(hair & near)


def _strands(
    rng: np.random.Generator, roots: np.ndarray, person: np.ndarray, hair: np.ndarray, radiance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage height x width, 0..1, of strands that grow out of `roots`, and their colours, radiance x 3."""
    head = np.sqrt(np.count_nonzero(hair))
    soft = cv2.GaussianBlur(person.astype(np.float32), (0, 0), head / 25)
    down, across = -cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=5), -cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=5)
    coverage, colours = np.zeros(person.shape, np.uint8), radiance.copy()
    unruly, longest = rng.uniform(0.15, 0.7), rng.uniform(0.08, 0.4)
    for row, column in roots[rng.integers(len(roots), size=int(rng.uniform(0.15, 0.6) * len(roots)))]:
        outward = np.array([across[row, column], down[row, column]], float)
        outward /= max(float(np.linalg.norm(outward)), 1e-6)
        along = np.array([-outward[1], outward[0]]) * rng.choice([-1, 1])
        length = head * longest * rng.uniform(0.1, 1) ** 2
        bend = along * rng.normal(0.8, 0.6) + np.array([0.0, rng.uniform(0, 0.8)])  # and a little gravity
        share = np.linspace(-0.15, 1, _POINTS)[:, None]
        curve = np.array([column, row]) + length * (unruly * outward * share + (1 - unruly) * bend * share**2)
        points = np.rint(curve * 2**_SHIFT).astype(np.int32)
        thickness = int(rng.integers(1, _FINE))
        shine = radiance[row, column] * rng.uniform(0.7, 1.3)
        cv2.polylines(colours, [points], False, shine.tolist(), thickness + 2, cv2.LINE_8, _SHIFT)
        cv2.polylines(coverage, [points], False, (255,), thickness, cv2.LINE_AA, _SHIFT)
    return coverage.astype(np.float32) / 255, colours


def _photographed(rng: np.random.Generator, layers: _Layers, size: tuple[int, int]) -> Matte:
    """The layers through one lens and sensor; grain and JPEG are the picture's alone."""
    person, behind, alpha = layers
    if rng.random() < 0.4:
        behind = cv2.GaussianBlur(behind, (0, 0), _FINE * max(size) / 224 * rng.uniform(0.5, 4))
    sharpness = _FINE * rng.uniform(0.25, 0.6)

    def seen(layer: np.ndarray) -> np.ndarray:
        return cv2.resize(cv2.GaussianBlur(layer, (0, 0), sharpness), size[::-1], interpolation=cv2.INTER_AREA)

    share = alpha[..., None]
    covered = np.clip(seen(alpha), 0, 1)
    light = seen(person * share)
    mixed = light + seen(behind * (1 - share))
    exposure = expose(mixed, rng) * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    bend = np.float32(rng.uniform(-0.2, 0.4))

    def developed(radiance: np.ndarray) -> np.ndarray:
        tone = np.minimum(np.sqrt(np.maximum(radiance * exposure, 0)), 1)
        return 255 * (tone + bend * tone * (1 - tone) * (2 * tone - 1))

    grain = rng.standard_normal((*size, 3)).astype(np.float32) * np.float32(rng.uniform(0.5, 3))
    picture = jpeg(np.clip(developed(mixed) + grain + 0.5, 0, 255).astype(np.uint8), int(rng.integers(85, 98)))
    own, scene = developed(light / np.maximum(covered, 1e-3)[..., None]), developed(seen(behind))
    nobody = covered < 1 / 510
    nearby, share = (cv2.GaussianBlur(layer, (0, 0), _SPREAD) for layer in (light, covered))
    beyond = developed(nearby / np.maximum(share, 1e-6)[..., None])
    apart = np.abs(np.where(nobody[..., None], beyond, own).clip(0, 255) - scene.clip(0, 255)).mean(2)
    own[nobody] = 0
    alpha, foreground, background, contrast = (
        np.clip(layer + 0.5, 0, 255).astype(np.uint8) for layer in (255 * covered, own, scene, apart)
    )
    return Matte(picture, alpha, foreground, background, contrast)
