"""One seed, one photograph and its exact mask."""

from __future__ import annotations

import numpy as np

from .scene import random_scene
from .sensor import develop, soften_edges
from .shading import shade
from .shapes import Rays, SurfaceTable, cast
from .textures import smooth_noise

_VERSION = 1  # part of every seed: raise it when the pictures change, so that old and new are not confused


def render_portrait(seed: int, size: int | tuple[int, int] = 224) -> tuple[np.ndarray, np.ndarray]:
    """Render portrait number `seed` (>= 0): uint8 RGB height x width x 3, and uint8 height x width, 1 on people.

    `size` is the side or (height, width) in pixels. A pixel is a person's when the ray through its centre meets
    a person first. The result depends on the arguments alone.
    """
    height, width = (size, size) if isinstance(size, int) else size
    rng = np.random.default_rng((_VERSION, seed))
    scene = random_scene(rng, (height, width))
    noise = smooth_noise(rng, 28, (height, width)) + 0.7 * smooth_noise(rng, 75, (height, width))
    rays = Rays.through_pixels((height, width), scene.K)
    hits = cast(scene.shapes, rays, noise)
    table = SurfaceTable.of(scene.shapes, hits)
    person = table.person.take(hits.surface).astype(np.uint8)
    radiance = soften_edges(shade(scene, rays, hits, table), hits.surface)
    return develop(radiance, person, rng), person
