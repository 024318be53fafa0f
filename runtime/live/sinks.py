"""Where live pictures go: a window, a recording, a virtual camera that other programs see."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError

from ..errors import InputError, OutputError
from ..files import exists
from ..geometry import Letterbox
from ..media.colour import usual_colours
from ..media.encoding import RECORDABLE, encoding_for, recording_options
from ..media.kinds import listed
from ..media.threads import Behind
from ..media.video_writer import VideoShape, VideoStream
from .watchers import is_watched

_TIME_BASE = Fraction(1, 90_000)
_QUALITY = 93


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture letterboxed into `size` (height, width), where it has another."""
    return image if image.shape[:2] == size else Letterbox.fit(image.shape[:2], size).apply(image)


class Recorder:
    """H.264 at the times at which pictures came, written as they come.

    The file plays up to the last second whatever ends the program: Ctrl-C, a full disk, a crash. Its size is that of
    the first picture; a camera that changes its size afterwards is letterboxed into it.
    """

    def __init__(self, path: Path) -> None:
        if exists(path):
            raise InputError(f"{path} exists; choose another name for the recording")
        if path.suffix.lower() not in RECORDABLE:
            raise InputError(f"cannot record to {path}: use one of {listed(RECORDABLE)}")
        if not exists(path.parent):
            raise InputError(f"{path.parent} does not exist; make that folder, or record elsewhere")
        self.path = path
        self._output: Any = None
        self._video: VideoStream | None = None
        self._size = (0, 0)
        self._start, self._last = 0.0, -1
        self._later = Behind(self._encode)  # a second thread: encoding takes as long as all the rest

    def send(self, image: np.ndarray, seconds: float) -> None:
        """Add a picture (uint8 RGB) that was there at `seconds`."""
        self._later(image, seconds)

    def _encode(self, image: np.ndarray, seconds: float) -> None:
        with self._clear_errors():
            if self._video is None:
                self._video = self._begin(image, seconds)
            self._last = max(self._last + 1, round((seconds - self._start) / _TIME_BASE))
            self._output.mux(self._video.encode(fitted(image, self._size), self._last))

    def close(self) -> None:
        """Finish the file. Without a picture there is none."""
        try:
            with self._later:  # waits for the pictures that are still to be encoded
                pass
        finally:
            output, self._output = self._output, None
            if output is not None and self._video is not None:
                with self._clear_errors(), output:
                    output.mux(self._video.finish())

    def _begin(self, image: np.ndarray, seconds: float) -> VideoStream:
        self._output = av.open(str(self.path), "w", options=recording_options(self.path))
        height, width = (side // 2 * 2 for side in image.shape[:2])
        self._size, self._start = (height, width), seconds
        shape = VideoShape(self._size, Fraction(30), _TIME_BASE, usual_colours(height, width))
        return VideoStream(self._output, shape, encoding_for(self.path, quality=_QUALITY))

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, OSError) as error:
            held = "it holds what was recorded until then" if self._last >= 0 else "nothing was recorded"
            raise OutputError(f"cannot record to {self.path}: {error.strerror}; {held}") from error


class VirtualCamera:
    """A camera that video calls can choose: OBS's on macOS and Windows, v4l2loopback's on Linux (pyvirtualcam)."""

    def __init__(self, rate: float) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise InputError("the virtual camera needs pyvirtualcam: pip install 'portraitnet[webcam]'") from error
        self._make: Callable[..., Any] = pyvirtualcam.Camera
        self._rate = rate
        self._camera: Any = None

    def send(self, image: np.ndarray, seconds: float) -> None:
        """Show a picture (uint8 RGB) to whoever watches."""
        if self._camera is None:
            try:
                self._camera = self._make(width=image.shape[1], height=image.shape[0], fps=self._rate)
            except RuntimeError as error:
                raise InputError(
                    f"no virtual camera: {_first_line(error)}. On macOS or Windows install OBS and "
                    "start its camera once; on Linux: sudo modprobe v4l2loopback (package v4l2loopback-dkms)"
                ) from error
        try:
            self._camera.send(fitted(image, (self._camera.height, self._camera.width)))
        except RuntimeError as error:
            raise InputError(f"the virtual camera takes no more pictures: {_first_line(error)}") from error

    def is_watched(self) -> bool | None:
        """Whether a program reads it; None where that cannot be known, as before the first picture."""
        return is_watched(self._camera.device) if self._camera is not None else None

    def close(self) -> None:
        """Give the virtual camera back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            try:
                camera.close()
            except RuntimeError as error:
                raise InputError(f"the virtual camera was not closed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


class Preview:
    """A window; `key` tells what was pressed in it."""

    NAME = "portraitnet"

    def __init__(self) -> None:
        hint = "no window can be opened here: use --no-preview with --record or --virtual-camera"
        # Asked first, because on Linux the window library ends the whole program where there is no screen.
        if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
            raise InputError(hint)
        try:
            cv2.namedWindow(self.NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise InputError(hint) from error
        self._opened = time.monotonic()
        self._size: tuple[int, ...] = ()

    def send(self, image: np.ndarray, seconds: float) -> None:
        """Show a picture (uint8 RGB); the window takes its size, as long as the user has not changed it."""
        if self._size != image.shape:
            self._size = image.shape
            cv2.resizeWindow(self.NAME, image.shape[1], image.shape[0])
        cv2.imshow(self.NAME, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def key(self) -> str:
        """The key pressed since the last call, or nothing; q when the window was closed."""
        code = cv2.waitKey(1)
        if time.monotonic() - self._opened > 1 and cv2.getWindowProperty(self.NAME, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(code & 0xFF) if code >= 0 else ""

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self.NAME)
