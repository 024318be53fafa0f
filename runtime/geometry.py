"""How a picture of any size lies in a model's fixed input: one definition for all.

PortraitNet (Zhang et al., 2019) pads a picture to the centred shape of the model's input and then resizes.
Here the picture is resized to the rectangle that it fills and laid on a canvas of 128: the same mapping up to
the rounding of that rectangle to whole pixels, without ever holding the padded picture, and undone exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .constants import SHARED

_SMALL = 1 << 16  # pixels of a picture whose areas are averaged exactly, since that takes no time
PAD_VALUE = SHARED["geometry"]["pad"]
LETTERBOX = "letterbox-128-centred"
STRETCH = "stretch-1.5-128-centred"  # a photograph of 3:2 fills a square; one of 9:16 is not squashed to it
FILL = "stretch"  # of models by others
# How much more one side may be stretched than the other.
GEOMETRIES = {name: float("inf" if limit is None else limit) for name, limit in SHARED["geometry"]["limits"].items()}


@dataclass(frozen=True)
class Letterbox:
    """How a `source` (height, width) lies inside a `target` (height, width), both in pixels.

    The picture fills rows `top : top + height` and columns `left : left + width` of the target.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def fit(cls, source: tuple[int, int], target: tuple[int, int], geometry: str = LETTERBOX) -> Letterbox:
        """The largest centred placement of `source` in `target` that `geometry`, one of GEOMETRIES, allows."""
        (source_height, source_width), (target_height, target_width) = source, target
        if min(*source, *target) < 1:
            raise ValueError(f"sizes must be at least 1 pixel, got {source} into {target}")
        limit = GEOMETRIES[geometry]
        tall, wide = target_height / source_height, target_width / source_width
        tall, wide = min(tall, limit * wide), min(wide, limit * tall)
        height = min(max(int(source_height * tall + 0.5), 1), target_height)
        width = min(max(int(source_width * wide + 0.5), 1), target_width)
        top, left = (target_height - height) // 2, (target_width - width) // 2
        return cls(source, target, top, left, height, width)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """uint8 source height x width x channels -> uint8 target height x width x channels."""
        canvas = np.full((*self.target, image.shape[2]), PAD_VALUE, image.dtype)
        self.content(canvas)[:] = resize(image, (self.height, self.width)).reshape(
            self.height, self.width, image.shape[2]
        )
        return canvas

    def apply_mask(self, mask: np.ndarray, fill: int = 0) -> np.ndarray:
        """Integer labels of the source's height x width -> the target's, nearest neighbour, `fill` around."""
        canvas = np.full(self.target, fill, mask.dtype)
        self.content(canvas)[:] = resize_labels(mask, (self.height, self.width))
        return canvas

    def undo(self, alpha: np.ndarray) -> np.ndarray:
        """Target height x width (x channels) values -> source height x width (x channels), bilinear."""
        return resize(self.content(alpha), self.source)

    def content(self, array: np.ndarray) -> np.ndarray:
        """View of the part of a target-sized array that the picture fills."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to `size` (height, width): pixel-area average when shrinking, bilinear when growing."""
    if image.shape[:2] == size:
        return image
    if image.ndim == 3 and image.shape[2] > 4:  # more than OpenCV averages at once
        parts = [resize(image[..., first : first + 4], size) for first in range(0, image.shape[2], 4)]
        return np.concatenate([part.reshape(*size, -1) for part in parts], axis=2)
    shrinking = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    height, width = image.shape[:2]
    if not shrinking and (size[0] < height or size[1] < width):
        # One side shrinks and the other grows: one after the other, since OpenCV's average is for shrinking alone.
        return resize(resize(image, (min(size[0], height), min(size[1], width))), size)
    if not shrinking:
        return cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_LINEAR)
    if height * width <= _SMALL:
        return cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_AREA)
    # OpenCV averages areas slowly, except four pixels to one: from 720p that takes 2 to 6 ms, these steps up to 1.
    while not (height % 2 or width % 2) and height >= 3 * size[0] and width >= 3 * size[1]:
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    times = _bilinear_multiple(height / size[0], width / size[1])
    if times:
        image = cv2.resize(image, (times * size[1], times * size[0]), interpolation=cv2.INTER_LINEAR)
    while times > 1:
        times //= 2
        image = cv2.resize(image, (times * size[1], times * size[0]), interpolation=cv2.INTER_AREA)
    if image.shape[:2] == size:
        return image
    # Bilinear sampling would miss pixels, or each is the mean of four.
    return cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_AREA)


def _bilinear_multiple(tall: float, wide: float) -> int:
    """How many times the target a picture is first resized to by bilinear sampling, and then halved from.

    `tall` and `wide` are how many times the target the picture is; 0 where sampling would leave out too many pixels.
    """
    least, most = min(tall, wide), max(tall, wide)
    if least == most == 2:
        return 0  # the mean of four, without a step before it
    times = 1
    while least >= 1.5 * times:
        times *= 2
    return times if most <= (2 if times == 1 else 2.5 * times) else 0


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 labels to `size` (height, width): nearest neighbour of pixel centres, as pictures are resized.

    cv2's plain INTER_NEAREST takes the neighbour of pixel corners: labels half a pixel right of their picture.
    """
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
