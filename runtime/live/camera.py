"""Where live pictures come from: a camera, or a video or folder of pictures that plays in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
_LEAST_RATE = 24.0  # below it the next pixel format is tried
_RETRY_SECONDS = 5.0  # how long a camera that fell silent is waited for
_RETRY_PAUSE = 0.25
# Asked for in this order. Uncompressed 720p does not fit through USB 2 at more than 10 frames/s, so MJPG comes first;
# the empty one is the driver's own choice.
_PIXEL_FORMATS = ("MJPG", "")


class Clock:
    """The time, and waiting; tests put one of their own in its place."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Source(Protocol):
    """Gives pictures as they come."""

    rate: float  # pictures per second, as far as known

    def read(self) -> np.ndarray | None:
        """The next picture, uint8 RGB height x width x 3, when it is due; None after the last."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


@dataclass(frozen=True)
class Mode:
    """What a camera grants: size in pixels, frames per second (0: it does not say), pixel format in four letters."""

    width: int
    height: int
    rate: float
    pixel_format: str

    def __str__(self) -> str:
        rate = f" at {self.rate:g} frames/s" if self.rate else ""
        return f"{self.width}x{self.height}{rate}{f' ({self.pixel_format})' if self.pixel_format else ''}"


class Camera:
    """A camera by number, at the size that was asked for and 30 frames/s where it can.

    `say` gets what it grants. One that falls silent is opened again, for five seconds; then reading raises InputError.
    """

    def __init__(
        self,
        number: int,
        size: tuple[int, int] | None = None,
        say: Callable[[str], object] = lambda text: None,
        clock: Clock | None = None,
    ) -> None:
        self.number, self._size, self._say, self._clock = number, size, say, clock or Clock()
        self._formats: Sequence[str] = _PIXEL_FORMATS
        self._device, granted = self._open()
        if self._device is None:
            raise InputError(
                f"camera {number} cannot be opened: there is none, or another program has it. Close that program, "
                "try --camera 1, or give a video file instead"
            )
        self.rate = granted.rate if 1 <= granted.rate <= 240 else _RATE
        self._formats = [granted.pixel_format]  # found once: when it is opened again, no other is tried
        asked = size or (granted.height, granted.width)
        as_asked = (granted.height, granted.width) == asked and self.rate >= _LEAST_RATE
        hint = "" if as_asked else f"; asked for {asked[1]}x{asked[0]} at {_RATE:g} frames/s, --size asks for another"
        say(f"camera {number}: {granted}{hint}")

    def read(self) -> np.ndarray | None:
        given_up = self._clock.now() + _RETRY_SECONDS
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
            if self._clock.now() > given_up:
                raise InputError(f"camera {self.number} gives no picture any more: it was unplugged or taken over")
            self.close()
            self._clock.sleep(_RETRY_PAUSE)
            self._device, _ = self._open()

    def close(self) -> None:
        if self._device is not None:
            self._device.release()
            self._device = None

    def _open(self) -> tuple[Any, Mode]:
        before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors are told in our words
        try:
            device = cv2.VideoCapture(self.number)
        finally:
            cv2.utils.logging.setLogLevel(before)
        if not device.isOpened():
            device.release()
            return None, Mode(0, 0, 0, "")
        own = _pixel_format(device)
        granted = best = self._ask(device, self._formats[0] or own)
        for name in self._formats[1:]:
            if self._merit(best)[:2] == (True, True):
                break
            granted = self._ask(device, name or own)
            best = max(best, granted, key=self._merit)
        if granted != best:
            granted = self._ask(device, best.pixel_format)
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old picture in the driver's queue is latency
        return device, granted

    def _ask(self, device: Any, pixel_format: str) -> Mode:
        """Ask for a pixel format, then for the size and rate in it, and read back what was granted."""
        if pixel_format:
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*pixel_format))
        if self._size:
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[0])
            device.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[1])
        device.set(cv2.CAP_PROP_FPS, _RATE)
        width, height = (int(device.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return Mode(width, height, float(device.get(cv2.CAP_PROP_FPS)), _pixel_format(device))

    def _merit(self, mode: Mode) -> tuple[bool, bool, float]:
        """Better modes are larger: the size asked for first, then a rate that is enough, then the rate."""
        as_asked = self._size in (None, (mode.height, mode.width))
        return as_asked, not mode.rate or mode.rate >= _LEAST_RATE, mode.rate


def _pixel_format(device: Any) -> str:
    code = int(device.get(cv2.CAP_PROP_FOURCC))
    letters = code.to_bytes(8, "little", signed=True)[:4]
    return letters.decode("ascii") if letters.isalnum() else ""


class Replay:
    """A video, or a folder of pictures, played by its own timestamps in place of a camera; over and over with `loop`.

    Pictures keep their shape; those larger than `size` (height, width; either way up) are shrunk to fit into it.
    """

    def __init__(
        self, path: Path, size: tuple[int, int] | None = None, loop: bool = False, clock: Clock | None = None
    ) -> None:
        self._size, self._loop, self._clock = size, loop, clock or Clock()
        if path.is_dir():
            pictures = list_images(path)
            self.rate = _RATE
            self._round: Callable[[], Iterator[tuple[float, np.ndarray]]] = lambda: (
                (number / _RATE, load_image(one)) for number, one in enumerate(pictures)
            )
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            from ..media.video import VideoReader

            video = VideoReader(path)
            self.rate = float(video.frame_rate)
            self._round = lambda: ((frame.seconds, frame.image) for frame in video)
        else:
            raise InputError(f"{path} is no camera: give a number, a video file or a folder of pictures")
        self._pictures: Iterator[tuple[float, np.ndarray]] = self._round()
        self._origin: float | None = None  # when a picture with timestamp 0 of this round is due
        self._last = 0.0  # timestamp of the picture before

    def read(self) -> np.ndarray | None:
        taken = next(self._pictures, None)
        if taken is None and self._loop:
            self._pictures = self._round()
            taken = next(self._pictures, None)
            if taken is not None and self._origin is not None:
                # The first picture of a round follows the last of the one before by a frame's time.
                self._origin += self._last + 1 / self.rate - taken[0]
        if taken is None:
            return None
        seconds, picture = taken
        now = self._clock.now()
        # A picture that comes late moves all that follow: a camera does not catch up either.
        self._origin = max(now - seconds if self._origin is None else self._origin, now - seconds - 1 / self.rate)
        self._last = seconds
        self._clock.sleep(max(0.0, self._origin + seconds - now))
        return self._fitted(picture)

    def close(self) -> None:
        self._pictures = iter(())

    def _fitted(self, picture: np.ndarray) -> np.ndarray:
        if self._size is None:
            return picture
        height, width = picture.shape[:2]
        scale = min(1.0, max(self._size) / max(height, width), min(self._size) / min(height, width))
        return resize(picture, (max(1, round(scale * height)), max(1, round(scale * width))))


def open_source(
    camera: str,
    size: tuple[int, int] | None = None,
    loop: bool = False,
    say: Callable[[str], object] = lambda text: None,
) -> Source:
    """A camera by its number, or a Replay of a file or folder. `size` is the (height, width) to ask for."""
    if camera.isascii() and camera.isdigit():
        if len(camera) > 2:  # above, OpenCV takes hundreds for the system's kind of camera
            raise InputError(f"camera {camera[:12]}: a camera's number is 0 to 99; 0 is the first")
        return Camera(int(camera), size, say)
    refuse_address(camera)
    path = Path(camera).expanduser()
    if not exists(path):
        raise InputError(f"{camera!r} is neither a camera's number nor a file or folder that exists")
    return Replay(path, size, loop)
