"""Two drawings of the camera's geometry: a picture under a similarity, and a cube projected into it."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from ...runtime.media.images import save_image
from .camera import camera_intrinsics, look_at, project_points, similarity, warp
from .render import render_portrait

# The first course report's similarity. Its 45 degrees are OpenCV's: anticlockwise on the screen, ours are clockwise.
SCALE, DEGREES, SHIFT = 0.5, 45.0, (50, -50)
_EDGE, _NEAR_EDGE = (255, 220, 60), (255, 90, 60)


def reported_similarity(size: tuple[int, int]) -> np.ndarray:
    """The 2x3 matrix of cv2.getRotationMatrix2D(middle, 45, 0.5), shifted by (50, -50); size is (height, width)."""
    middle = ((size[1] - 1) / 2, (size[0] - 1) / 2)
    return similarity(SCALE, -math.radians(DEGREES), *SHIFT, centre=middle)


def cube(centre: tuple[float, float, float], side: float) -> np.ndarray:
    """The 8 corners (8 x 3, metres) of a cube with edges along the axes; number k has its bits for x, y, z."""
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    return np.asarray(centre) + (bits - 0.5) * side


def cube_edges() -> list[tuple[int, int]]:
    """The 12 pairs of corners that differ along one axis."""
    return [(a, b) for a, b in combinations(range(8), 2) if (a ^ b).bit_count() == 1]


def draw_cube(image: np.ndarray, corners: np.ndarray, K: np.ndarray, R: np.ndarray, t: np.ndarray) -> np.ndarray:
    """A copy of uint8 RGB `image` with the cube's edges, seen by the camera K, R, t; nearer edges last."""
    pixels, depths = project_points(corners, K, R, t)
    drawn = image.copy()
    for a, b in sorted(cube_edges(), key=lambda edge: -depths[list(edge)].mean()):
        if np.isfinite(pixels[[a, b]]).all():
            near = depths[[a, b]].mean() < depths.mean()
            ends = [tuple(np.rint(pixels[k]).astype(int).tolist()) for k in (a, b)]
            cv2.line(drawn, ends[0], ends[1], _NEAR_EDGE if near else _EDGE, 2, cv2.LINE_AA)
    return drawn


def draw_camera(out: Path, size: int = 320) -> Path:
    """Write one picture: a rendered portrait, the same under the similarity, and the same behind a projected cube.

    The cube of 0.3 m stands 1.6 m before a camera of 35 mm that looks at it from above and from the right.
    """
    image, _ = render_portrait(7, size)
    K = camera_intrinsics((size, size), focal_mm=35)
    R, t = look_at(np.array([0.7, -0.6, -1.3]), np.zeros(3))
    shown = [image, warp(image, reported_similarity((size, size))), draw_cube(image, cube((0, 0, 0), 0.3), K, R, t)]
    save_image(out, np.concatenate(shown, axis=1))
    return out
