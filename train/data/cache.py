"""Pictures decoded and letterboxed once, into two flat files that every later run and process reads.

A cache's folder is named after what it holds: every picture's and mask's path, size and time of change, the canvas,
and the classes. Whatever changes, the name changes, so a stale cache is never read. Building one removes those that it
replaces and those not opened for a month, except what a running process still reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from ...runtime.caches import cache_folder
from ...runtime.errors import InputError
from ..datasets import OnCanvas, Source

_VERSION = 2  # of the files' layout and of how pictures are read: part of every name
_IMAGES, _MASKS, _RECTS = "images.bin", "masks.bin", "rects.bin"
_READERS = "readers"  # folder of a lock for each process that reads the cache
_KEPT_SECONDS = 30 * 24 * 3600  # that an unopened cache is kept


def default_folder() -> Path:
    """The default folder of caches: portraitnet/pictures in the user's cache folder."""
    return cache_folder("pictures")


class PictureCache:
    """The pictures of one source on a canvas of fixed size.

    Only the folder's name travels to loader processes; nothing is held in memory. As long as the object lives (and its
    process: a killed one lets go), nobody removes the folder.
    """

    def __init__(self, folder: Path, canvas: tuple[int, int], count: int) -> None:
        self.folder, self.canvas, self.count = folder, canvas, count
        self.rects = np.fromfile(folder / _RECTS, np.int32).reshape(-1, 4)
        (folder / _READERS).mkdir(exist_ok=True)
        self._lock: FileLock | None = FileLock(folder / _READERS / f"{uuid.uuid4().hex}.lock")
        self._lock.acquire()
        os.utime(folder)  # when it was last opened

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_lock": None}  # the main process holds it for its workers

    def __len__(self) -> int:
        return self.count

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self.count * self.canvas[0] * self.canvas[1] * 4

    def read(self, index: int) -> OnCanvas:
        """As the source's `on_canvas` gives it. Read, not mapped: mapped pages would count as the process's memory."""
        height, width = self.canvas
        pixels = height * width
        image = np.fromfile(self.folder / _IMAGES, np.uint8, 3 * pixels, offset=3 * pixels * index)
        mask = np.fromfile(self.folder / _MASKS, np.uint8, pixels, offset=pixels * index)
        top, left, rows, columns = (int(side) for side in self.rects[index])
        return image.reshape(height, width, 3), mask.reshape(height, width), (top, left, rows, columns)

    def mapped(self) -> tuple[np.ndarray, np.ndarray]:
        """Images count x height x width x 3 and labels count x height x width, mapped from disk."""
        shape = (self.count, *self.canvas)
        return (
            np.memmap(self.folder / _IMAGES, np.uint8, "r", shape=(*shape, 3)),
            np.memmap(self.folder / _MASKS, np.uint8, "r", shape=shape),
        )


def open_cache(
    source: Source,
    canvas: tuple[int, int],
    home: Path,
    on_progress: Callable[[int], object] = lambda done: None,
) -> PictureCache | None:
    """The cache of `source` under `home`, built when it is not there; None for a source that has no files.

    `on_progress` hears how many pictures are done. Two processes may ask at once: one builds, the other waits.
    Raises InputError when the disk is too small, or with the first picture that cannot be read.
    """
    stamps = [_stamp(path) for index in range(len(source)) for path in source.files(index)]
    if not stamps:
        return None
    what = [_VERSION, type(source).__qualname__, list(source.classes), list(canvas), len(source)]
    pictures = _digest([*what, *(path for path, *_ in stamps)])
    folder = home / f"{pictures}-{_digest([*what, *stamps])}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / f"{pictures}.lock"):
            if not _is_whole(folder, canvas, len(source)):
                shutil.rmtree(folder, ignore_errors=True)
                _remove_unused(home, pictures)
                _build(source, canvas, folder, on_progress)
            return PictureCache(folder, canvas, len(source))
    except OSError as error:
        raise InputError(
            f"the cache of decoded pictures cannot be written to {home} ({error.strerror}); "
            "set data.cache=FOLDER elsewhere, or data.cache=none"
        ) from error


def _remove_unused(home: Path, pictures: str) -> None:
    """Remove caches that no process reads: of older states of these pictures, and any not opened for long."""
    limit = time.time() - _KEPT_SECONDS
    for folder in home.glob("*-*"):
        owner = folder.name.partition("-")[0]
        try:
            if owner == pictures:
                _remove_unread(folder)
            elif folder.stat().st_mtime < limit:
                with FileLock(home / f"{owner}.lock", timeout=0):
                    _remove_unread(folder)
        except (FileNotFoundError, Timeout):  # another process was quicker, or is about to open it
            continue


def _remove_unread(folder: Path) -> None:
    if folder.is_dir() and not _is_read(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _is_read(folder: Path) -> bool:
    """Whether a living process holds one of the cache's locks."""
    for path in (folder / _READERS).glob("*.lock"):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
    return False


def _build(source: Source, canvas: tuple[int, int], folder: Path, on_progress: Callable[[int], object]) -> None:
    count, pixels = len(source), canvas[0] * canvas[1]
    free = shutil.disk_usage(folder.parent).free
    if 4 * pixels * count > 0.9 * free:
        raise InputError(
            f"the cache of {count} pictures needs {4e-9 * pixels * count:.1f} GB but {folder.parent} has "
            f"{1e-9 * free:.1f} GB free; set data.cache=FOLDER on a "
            "larger disk, a smaller data.canvas, or data.cache=none"
        )
    building = folder.with_name(f"{folder.name}.building")
    building.mkdir()
    try:
        rects = []
        with (
            ThreadPoolExecutor() as pool,
            (building / _IMAGES).open("wb") as images,
            (building / _MASKS).open("wb") as masks,
        ):
            # A few at a time: `map` alone would decode the whole set ahead of the disk.
            indices = iter(range(count))
            while some := list(islice(indices, 64)):
                for image, mask, rect in pool.map(lambda index: source.on_canvas(index, canvas), some):
                    images.write(image.tobytes())
                    masks.write(mask.tobytes())
                    rects.append(rect)
                on_progress(len(rects))
        np.array(rects, np.int32).tofile(building / _RECTS)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _is_whole(folder: Path, canvas: tuple[int, int], count: int) -> bool:
    pixels = canvas[0] * canvas[1]
    expected = {_IMAGES: 3 * pixels * count, _MASKS: pixels * count, _RECTS: 4 * 4 * count}
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in expected.items())


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def _digest(facts: list[object]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]
