"""Put a person before another background: blurred, a colour, a picture, a clip, or nothing.

Alpha is uint8 0..255 or float 0..1, height x width. All arithmetic on whole frames is in bytes, because at 720p
a float blend alone costs 4 ms, as much as the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from PIL import ImageColor

from ..constants import SHARED
from ..errors import InputError
from ..files import refuse_address
from ..geometry import resize
from ..media.images import load_image
from ..media.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from .disc import disc_blur, from_light, to_light
from .kernels import kernels

if TYPE_CHECKING:
    from ..media.video import Frame, VideoReader

DEFAULT_BLUR = SHARED["blur"]["default"]
_MAX_BLUR = SHARED["blur"]["most"]
BLUR_SHAPES = ("gaussian", "disc")
_DISC_PIXELS = 8  # sigma to which a picture is shrunk before a disc: its rim is to stay sharp


def blend(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` where alpha is full, `background` where it is 0; both uint8 height x width x 3."""
    if image.shape != (*alpha.shape, 3) or background.shape != image.shape:
        raise ValueError(f"sizes differ: picture {image.shape}, background {background.shape}, alpha {alpha.shape}")
    return kernels().blend(image, background, _bytes(alpha))


def blur_background(
    image: np.ndarray, alpha: np.ndarray, strength: float = DEFAULT_BLUR, shape: str = "gaussian"
) -> np.ndarray:
    """Blur all but the person; `strength` is the blur's sigma in percent of the picture's longer side."""
    return blend(image, resize(blurred(image, alpha, strength, shape), image.shape[:2]), alpha)


def blurred(
    image: np.ndarray, alpha: np.ndarray, strength: float = DEFAULT_BLUR, shape: str = "gaussian"
) -> np.ndarray:
    """The background out of focus, without the person: uint8, smaller than `image` the stronger the blur.

    `shape` is one of BLUR_SHAPES; a disc is what a lens makes of a point, and slower.

    The blur averages background pixels only (normalised convolution, Knutsson and Westin, 1993), so that no
    halo of the person spreads around the outline.
    """
    alpha = _bytes(alpha)
    height, width = alpha.shape
    sigma = strength / 100 * max(height, width)
    # A picture that will be blurred by many pixels loses nothing when it is first shrunk by fewer.
    disc = shape == "disc"
    factor = max(1, int(sigma / (_DISC_PIXELS if disc else SHARED["blur"]["pixels"])))
    size = max(1, height // factor), max(1, width // factor)
    # The power shuts out pixels that shrinking mixed with the person; the rest keeps a sum above zero everywhere.
    weight = (1 - resize(alpha, size).astype(np.float32) / 255) ** 4 + SHARED["blur"]["floor"]
    small_sigma = max(sigma / factor, 1e-3)
    if disc:
        light = to_light(resize(image, size)) * weight[..., None]
        return from_light(disc_blur(light, small_sigma) / np.maximum(disc_blur(weight, small_sigma), 1e-6)[..., None])
    colour = resize(image, size).astype(np.float32) * weight[..., None]
    mixed = cv2.GaussianBlur(colour, (0, 0), small_sigma)
    share = cv2.GaussianBlur(weight, (0, 0), small_sigma)
    return cv2.divide(mixed, cv2.merge([share] * 3), dtype=cv2.CV_8U)


def replace_background(image: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Lay the person over `background` (uint8, any size), which is scaled and cropped to cover the picture."""
    return blend(image, cover(background, image.shape[:2]), alpha)


def cut_out(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 height x width x 4: the picture with alpha as its transparency, and nothing of it where alpha is 0."""
    alpha = _bytes(alpha)
    result = cv2.merge([*cv2.split(image), alpha])
    result[alpha == 0] = 0
    return result


def cover(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture to cover `size` (height, width), keeping its shape, and cut off what sticks out."""
    return resize(cropped(picture, size), size)


def cropped(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of a picture, of the shape of `size` (height, width): a view, in the picture's own pixels."""
    height, width = picture.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    # Before it is scaled, so that a long thin picture cannot grow to gigabytes.
    crop_height = min(height, max(1, round(size[0] / scale)))
    crop_width = min(width, max(1, round(size[1] / scale)))
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    return picture[top : top + crop_height, left : left + crop_width]


class Background(Protocol):
    """A background to put a person before."""

    def compose(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        """uint8 height x width x 3 (x 4 for `Cutout`) for the frame at `seconds`."""
        ...

    def behind(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        """The background alone, uint8 height x width x 3; instead of `compose`, for the frame at `seconds`."""
        ...

    def plate(self, image: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The background alone for a picture of `size` of which `image` is a small copy: uint8, to be stretched."""
        ...


@dataclass(frozen=True)
class Blur:
    """The scene itself, out of focus; `strength` and `shape` as in `blurred`."""

    strength: float = DEFAULT_BLUR
    shape: str = "gaussian"

    def compose(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        return blend(image, self.behind(image, alpha), alpha)

    def behind(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        return resize(self.plate(image, alpha, image.shape[:2]), image.shape[:2])

    def plate(self, image: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return blurred(image, alpha, self.strength, self.shape)


@dataclass(frozen=True)
class Cutout:
    """Nothing: the person on transparency (RGBA)."""

    def compose(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        return cut_out(image, alpha)

    def behind(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        return np.zeros_like(image)

    def plate(self, image: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)


@dataclass
class Picture:
    """A still: uint8 height x width x 3; a plain colour is a picture of one pixel."""

    pixels: np.ndarray
    _covered: np.ndarray | None = field(default=None, init=False, repr=False)

    def compose(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        return blend(image, self.behind(image, alpha), alpha)

    def behind(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        if self._covered is None or self._covered.shape != image.shape:
            self._covered = cover(self.pixels, image.shape[:2])
        return self._covered

    def plate(self, image: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return _plate(self.pixels, size)


class Clip:
    """A video, played at its own speed, from the start again when it ends."""

    def __init__(self, video: VideoReader) -> None:
        self._video = video
        self._frames: Iterator[Frame] = iter(video)
        self._loops_before = 0.0  # seconds that earlier rounds took
        self._shown = self._following = next(self._frames)
        self._start = self._shown.seconds

    def compose(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        """`seconds` must not go back by more than a frame; each job opens its own clip."""
        return blend(image, self.behind(image, alpha, seconds), alpha)

    def behind(self, image: np.ndarray, alpha: np.ndarray, seconds: float = 0.0) -> np.ndarray:
        while self._due(self._following) <= seconds:
            self._shown = self._following
            following = next(self._frames, None)
            if following is None:
                length = self._shown.seconds - self._start + self._shown.duration
                # Whole rounds at once: after a jump in time, playing each would take as long as the jump.
                self._loops_before += length * max(1, (seconds - self._loops_before) // length)
                self._frames = iter(self._video)
                following = next(self._frames)
            self._following = following
        return cover(self._shown.image, image.shape[:2])

    def plate(self, image: np.ndarray, alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return _plate(self._shown.image, size)

    def _due(self, frame: Frame) -> float:
        return frame.seconds - self._start + self._loops_before


def _plate(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Its own pixels, where they are fewer than those of `size`."""
    part = cropped(picture, size)
    return np.ascontiguousarray(part) if part.shape[0] <= size[0] else resize(part, size)


def shows_fringe(background: Background) -> bool:
    """Whether the old background's colours would be seen around the person: not where it is there, out of focus."""
    return not isinstance(background, Blur)


def parse_background(spec: str, blur_shape: str = "gaussian") -> Background:
    """`blur`, `blur:STRENGTH`, `none`, a picture or video file, or a colour (a CSS name or #rrggbb).

    Raises InputError when it is none of these. A `Clip` has a position in time: parse anew for each video.
    """
    word, _, strength = spec.partition(":")
    if spec == "none":
        return Cutout()
    if word == "blur":
        if blur_shape not in BLUR_SHAPES:
            raise InputError(f"blur shape {blur_shape!r} is none of {', '.join(BLUR_SHAPES)}")
        return Blur(_blur_strength(strength) if strength else DEFAULT_BLUR, blur_shape)
    refuse_address(spec)
    path = Path(spec)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return Picture(load_image(path))
    if path.suffix.lower() in VIDEO_SUFFIXES:
        from ..media.video import VideoReader

        return Clip(VideoReader(path))
    try:
        colour = ImageColor.getrgb(spec)
    except ValueError as error:
        raise InputError(
            f"background {spec!r} is not blur, none, a colour (white, #00b140) or a picture or video file"
        ) from error
    return Picture(np.array(colour[:3], np.uint8).reshape(1, 1, 3))


def _blur_strength(text: str) -> float:
    try:
        strength = float(text)
    except ValueError:
        strength = -1.0
    if not 0 < strength <= _MAX_BLUR:
        raise InputError(f"blur strength {text!r}: give percent of the picture's side, above 0 to {_MAX_BLUR:g}")
    return strength


def _bytes(alpha: np.ndarray) -> np.ndarray:
    return alpha if alpha.dtype == np.uint8 else cv2.convertScaleAbs(alpha, alpha=255)
