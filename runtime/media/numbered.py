"""A video as a folder of numbered pictures, which every editor imports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..files import write_files_beside
from .images import encode_image
from .video_reader import Frame


class NumberedPictures:
    """Writes `FOLDER/NAME%04d.png`, from 1; the files appear when the block ends without an exception.

    There is no room in them for sound and times.
    """

    @classmethod
    @contextmanager
    def open(cls, pattern: Path, quality: int) -> Iterator[NumberedPictures]:
        """`pattern` has the printf form of a number in its name."""
        with write_files_beside(pattern.parent) as folder:
            yield cls(folder, pattern, quality)

    def __init__(self, folder: Path, pattern: Path, quality: int) -> None:
        self._folder, self._pattern, self._quality = folder, pattern, quality
        self._count = 0

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Add a picture (uint8 RGB or RGBA)."""
        self._count += 1
        name = self._pattern.name % self._count
        encode_image(self._folder / name, picture, self._quality)
