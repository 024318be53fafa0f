"""Where live pictures come from: a camera, or a video or folder of pictures that plays in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ..errors import InputError
from ..files import exists, refuse_address
from ..geometry import resize
from ..media.images import list_images, load_image
from ..media.kinds import VIDEO_SUFFIXES

_RATE = 30.0
_RETRY_SECONDS = 5.0  # how long a camera that fell silent is waited for
_RETRY_PAUSE = 0.25


class Source(Protocol):
    """Gives pictures as they come."""

    rate: float  # pictures per second, as far as known

    def read(self) -> np.ndarray | None:
        """The next picture, uint8 RGB height x width x 3, when it is due; None after the last."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class Camera:
    """A camera by number. One that falls silent is opened again, for five seconds; then reading raises InputError."""

    def __init__(
        self, number: int, size: tuple[int, int] | None = None, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self.number, self._size, self._say = number, size, say
        self._device = self._open()
        if self._device is None:
            raise InputError(
                f"camera {number} cannot be opened: there is none, or another program has it. Close that program, "
                "try --camera 1, or give a video file instead"
            )
        rate = self._device.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 1 <= rate <= 240 else _RATE

    def read(self) -> np.ndarray | None:
        given_up = time.monotonic() + _RETRY_SECONDS
        told = False
        while True:
            ok, picture = self._device.read() if self._device is not None else (False, None)
            if ok and picture is not None and picture.size:
                if told:
                    self._say(f"camera {self.number} is back")
                return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            if not told:
                self._say(f"camera {self.number} gives no picture; trying again")
                told = True
            if time.monotonic() > given_up:
                raise InputError(f"camera {self.number} gives no picture any more: it was unplugged or taken over")
            self.close()
            time.sleep(_RETRY_PAUSE)
            self._device = self._open()

    def close(self) -> None:
        if self._device is not None:
            self._device.release()
            self._device = None

    def _open(self) -> Any:
        before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it is told in our words
        device = cv2.VideoCapture(self.number)
        cv2.utils.logging.setLogLevel(before)
        if not device.isOpened():
            device.release()
            return None
        if self._size:
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[0])
            device.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[1])
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old picture in the driver's queue is latency
        return device


class Replay:
    """A video, or a folder of pictures, played at its own speed in place of a camera; over and over with `loop`."""

    def __init__(self, path: Path, size: tuple[int, int] | None = None, loop: bool = False) -> None:
        self._size, self._loop = size, loop
        if path.is_dir():
            pictures = list_images(path)
            self.rate = _RATE
            self._round: Callable[[], Iterator[np.ndarray]] = lambda: (load_image(one) for one in pictures)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            from ..media.video import VideoReader

            video = VideoReader(path)
            self.rate = float(video.frame_rate)
            self._round = lambda: (frame.image for frame in video)
        else:
            raise InputError(f"{path} is no camera: give a number, a video file or a folder of pictures")
        self._pictures: Iterator[np.ndarray] = self._round()
        self._due: float | None = None

    def read(self) -> np.ndarray | None:
        picture = next(self._pictures, None)
        if picture is None and self._loop:
            self._pictures = self._round()
            picture = next(self._pictures, None)
        if picture is None:
            return None
        now = time.monotonic()
        self._due = now if self._due is None else max(self._due + 1 / self.rate, now - 1 / self.rate)
        time.sleep(max(0.0, self._due - now))
        return picture if self._size is None else resize(picture, self._size)

    def close(self) -> None:
        self._pictures = iter(())


def open_source(
    camera: str,
    size: tuple[int, int] | None = None,
    loop: bool = False,
    say: Callable[[str], object] = lambda text: None,
) -> Source:
    """A camera by its number, or a Replay of a file or folder. `size` is the wanted (height, width)."""
    if camera.isascii() and camera.isdigit():
        if len(camera) > 2:  # above, OpenCV takes hundreds for the system's kind of camera
            raise InputError(f"camera {camera[:12]}: a camera's number is 0 to 99; 0 is the first")
        return Camera(int(camera), size, say)
    refuse_address(camera)
    path = Path(camera).expanduser()
    if not exists(path):
        raise InputError(f"{camera!r} is neither a camera's number nor a file or folder that exists")
    return Replay(path, size, loop)
