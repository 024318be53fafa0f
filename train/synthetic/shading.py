"""From hits to light: Lambert with wrap, a hint of gloss, soft shadows of the large ellipsoids. Linear RGB."""

from __future__ import annotations

import cv2
import numpy as np

from .scene import Light, Scene
from .shapes import Ellipsoid, Hits, Rays, SurfaceTable, inverse_axes


def shade(scene: Scene, rays: Rays, hits: Hits, table: SurfaceTable) -> np.ndarray:
    """float32 height x width x 3 radiance, about 1 for a white wall in full light."""
    depth = hits.depth
    p = depth * rays.x, depth * rays.y[:, None], depth
    columns = np.take(table.values, hits.surface, axis=1, mode="clip")
    (xx, yy, zz, xy, xz, yz), m, W, w = columns[:6], columns[6:9], columns[9:15], columns[15:17]
    tint, emit, gloss, tile = columns[17:20], columns[20], columns[21], columns[22]
    n = [
        xx * p[0] + xy * p[1] + xz * p[2] + m[0],
        xy * p[0] + yy * p[1] + yz * p[2] + m[1],
        xz * p[0] + yz * p[1] + zz * p[2] + m[2],
    ]
    length = 1 / np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2] + np.float32(1e-20))
    n = [component * length for component in n]
    u = W[0] * p[0] + W[1] * p[1] + W[2] * p[2] + w[0]
    v = W[3] * p[0] + W[4] * p[1] + W[5] * p[2] + w[1]
    albedo = scene.sheet.sample(tile, u, v).astype(np.float32)
    albedo *= albedo * np.float32(1 / 255**2)
    shadow = _shadow(scene, p)
    light = [np.float32(0.85 * a) - np.float32(0.15 * a) * n[1] + emit for a in scene.ambient]
    highlight: np.ndarray | None = None
    for number, source in enumerate(scene.lights):
        lit = _lambert(n, source)
        if number == 0:
            lit *= shadow
            highlight = _highlight(n, source) * gloss * shadow
        for channel in range(3):
            light[channel] += np.float32(source.colour[channel]) * lit
    radiance = np.empty_like(albedo)
    for channel in range(3):
        np.multiply(albedo[..., channel] * tint[channel], light[channel], out=radiance[..., channel])
        if highlight is not None:
            radiance[..., channel] += highlight
    return radiance


def _lambert(n: list[np.ndarray], source: Light) -> np.ndarray:
    x, y, z = source.direction.astype(np.float32)
    wrap = np.float32(source.wrap)
    return np.maximum((n[0] * x + n[1] * y + n[2] * z + wrap) / (1 + wrap), 0)


def _highlight(n: list[np.ndarray], source: Light) -> np.ndarray:
    """Blinn's specular term with the view direction fixed to z: cheaper, and no difference is visible at this size."""
    x, y, z = source.direction + (0, 0, -1)
    norm = max(float(np.sqrt(x * x + y * y + z * z)), 1e-6)
    facing = np.maximum((n[0] * np.float32(x) + n[1] * np.float32(y) + n[2] * np.float32(z)) / np.float32(norm), 0)
    return facing**16


def _shadow(scene: Scene, p: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Share of the first light that arrives: 1 in the open, small behind an ellipsoid that casts a shadow.

    Found at every second row and column: shadows are soft anyway.
    """
    height, width = p[0].shape
    p = p[0][::2, ::2], p[1][::2, ::2], p[2][::2, ::2]
    arrives = np.ones(p[0].shape, np.float32)
    for shape in scene.shapes:
        if not (isinstance(shape, Ellipsoid) and shape.shadow):
            continue
        inverse = inverse_axes(shape)
        A, start = inverse.astype(np.float32), (-inverse @ shape.centre).astype(np.float32)
        towards = inverse @ scene.lights[0].direction
        towards = (towards / np.linalg.norm(towards)).astype(np.float32)
        o = [A[i, 0] * p[0] + A[i, 1] * p[1] + A[i, 2] * p[2] + start[i] for i in range(3)]
        along = o[0] * towards[0] + o[1] * towards[1] + o[2] * towards[2]
        miss = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - along * along
        # In the ball's own coordinates: how far the way to the light passes its middle, and how far behind
        # the middle it starts. Both edges are soft, the second so that a surface does not shade itself.
        covered = np.clip((1.25 - miss) * 2, 0, 1) * np.clip(-along - 0.6, 0, 1)
        arrives *= 1 - np.float32(0.8) * covered
    return cv2.resize(arrives, (width, height), interpolation=cv2.INTER_LINEAR)
