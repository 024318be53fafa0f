"""Light wrap: light of the new background falls on the person's outline, as it would in that place.

The page does the same (runtime/shaders/compose.frag.glsl).
"""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import resize
from .composite import Background, Cutout, blend

_REACH = 40  # the longer side of the picture is this many times the distance that light creeps in
_SPREAD = 40  # likewise for how far light of one place spreads along the outline


def compose(
    scene: Background, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0, wrap: float = 0.0
) -> np.ndarray:
    """`scene.compose`, with `wrap` (0..1) of the scene's light on the outline."""
    if not wrap or isinstance(scene, Cutout):
        return scene.compose(image, alpha, seconds)
    behind = scene.behind(image, alpha, seconds)
    return blend(wrapped_in_light(image, alpha, behind, wrap), behind, alpha)


def wrapped_in_light(image: np.ndarray, alpha: np.ndarray, behind: np.ndarray, wrap: float) -> np.ndarray:
    """`image` with `wrap` (0..1) of the light of `behind` near the outline of `alpha`; uint8, all of one size.

    The two are laid over each other as two projectors would (screen).
    """
    size = image.shape[:2]
    edge = 1 - _spread(alpha, _REACH).astype(np.float32) / 255
    light = _spread(behind, _SPREAD).astype(np.float32) * np.float32(wrap / 255)
    # 1 - (1 - person) (1 - light): what the light leaves of the darkness. Both change slowly, so both are small.
    rest = 1 - cv2.resize(edge, light.shape[1::-1])[..., None] * light
    kept = cv2.resize(np.rint(255 * rest).astype(np.uint8), size[::-1])
    return 255 - cv2.multiply(255 - image, kept, scale=1 / 255)


def _spread(picture: np.ndarray, longest: int) -> np.ndarray:
    """The picture with a longer side of `longest` pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    return resize(picture, (max(1, round(scale * height)), max(1, round(scale * width))))
