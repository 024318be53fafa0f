"""Animated GIF, PNG and WebP: frames in as a video's are, and results out as animations again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import require_file, write_beside
from .images import clear_errors, on_white, to_rgb
from .kinds import ANIMATIONS

if TYPE_CHECKING:  # PyAV is loaded for videos alone
    from .video_reader import Frame

MAX_PIXELS = 200_000_000  # of all frames together: Pillow's writers hold them at once
_MILLISECONDS = Fraction(1, 1000)
_USUAL = 100  # milliseconds that browsers show a frame of (nearly) no duration
_FORMATS = ("GIF", "PNG", "WEBP")


def is_animation(path: Path) -> bool:
    """Whether the file is a GIF, PNG or WebP of several frames; what cannot be read is none."""
    if path.suffix.lower() not in ANIMATIONS:
        return False
    try:
        with clear_errors(path), Image.open(path, formats=_FORMATS) as image:
            return getattr(image, "n_frames", 1) > 1
    except InputError:
        return False


class AnimationReader:
    """The frames of an animation, composed as viewers show them; every `iter` decodes it from the start.

    Raises InputError for what cannot be read or is too large.
    """

    time_base = _MILLISECONDS

    def __init__(self, path: str | Path) -> None:
        self.path = require_file(path)
        with clear_errors(self.path), Image.open(self.path, formats=_FORMATS) as image:
            self.size = image.height, image.width
            self.frames: int = getattr(image, "n_frames", 1)
            self.loops: int = image.info.get("loop", 1)  # 0: for ever
            self.has_alpha = image.has_transparency_data
        check_length(self.path, self.frames, self.size)

    def __iter__(self) -> Iterator[Frame]:
        from .video_reader import Frame

        time = 0
        with clear_errors(self.path), Image.open(self.path, formats=_FORMATS) as image:
            for number in range(self.frames):
                image.seek(number)
                image.load()
                stated = round(image.info.get("duration", 0))
                duration = stated if stated > 10 else _USUAL
                picture = to_rgb(image, self.path)
                alpha = picture if picture.shape[2] == 4 else None
                yield Frame(on_white(picture), time, _MILLISECONDS, duration / 1000, alpha)
                time += duration


class AnimationWriter:
    """Collects frames for an animated GIF, PNG or WebP, which appears when the block ends without an exception."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, loops: int, quality: int) -> Iterator[AnimationWriter]:
        """`loops`: how often it plays; 0 for ever. `quality` is that of WebP."""
        writer = cls(path)
        yield writer
        if not writer._pictures:
            raise InputError(f"{path}: there is no frame to write")
        first, *others = writer._pictures
        options: dict[str, Any] = {"disposal": 2} if path.suffix.lower() == ".gif" else {}
        with write_beside(path) as temporary:
            first.save(
                temporary,
                save_all=True,
                append_images=others,
                duration=writer._durations,
                loop=loops,
                quality=quality,
                **options,
            )

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pictures: list[Image.Image] = []
        self._durations: list[int] = []  # milliseconds
        self._end = 0.0  # seconds

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Add a picture (uint8 grey, RGB or RGBA), shown as long as `frame`."""
        check_length(self._path, len(self._pictures) + 1, picture.shape[:2])
        self._pictures.append(Image.fromarray(picture))
        start, self._end = self._end, self._end + max(0.02, frame.duration)
        # What is rounded off one frame goes to the next.
        unit = 10 if self._path.suffix.lower() == ".gif" else 1
        self._durations.append(round(1000 * self._end / unit) * unit - round(1000 * start / unit) * unit)


def check_length(path: Path, frames: int, size: tuple[int, ...]) -> None:
    """Raises InputError for more frames than memory is meant to hold."""
    if frames * size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"{path}: an animation holds at most {MAX_PIXELS // (size[0] * size[1])} frames of {size[1]}x{size[0]}; "
            "write a video, or make it shorter or smaller"
        )
