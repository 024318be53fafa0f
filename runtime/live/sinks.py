"""Where live pictures go: a window, a recording, a virtual camera that other programs see."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError

from ..errors import InputError
from ..files import write_beside
from ..geometry import Letterbox
from ..media.kinds import WRITABLE_VIDEOS
from ..media.threads import Behind

_TIME_BASE = Fraction(1, 90_000)
_QUALITY = "21"  # x264's constant rate factor


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture letterboxed into `size` (height, width), where it has another."""
    return image if image.shape[:2] == size else Letterbox.fit(image.shape[:2], size).apply(image)


class Recorder:
    """H.264 at the times at which pictures came; the file appears, whole, when it is closed, and also after Ctrl-C.

    Its size is that of the first picture; a camera that changes its size afterwards is letterboxed into it.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in WRITABLE_VIDEOS:
            raise InputError(f"cannot record to {path}: use one of {', '.join(WRITABLE_VIDEOS)}")
        self.path, self._stack = path, ExitStack()
        self._output: Any = None
        self._stream: Any = None
        self._start, self._last = 0.0, -1
        self._later = Behind(self._encode)  # a second thread: encoding takes as long as all the rest

    def send(self, image: np.ndarray, seconds: float) -> None:
        """Add a picture (uint8 RGB) that was there at `seconds`."""
        self._later(image, seconds)

    def _encode(self, image: np.ndarray, seconds: float) -> None:
        try:
            if self._output is None:
                self._begin(image, seconds)
            frame = av.VideoFrame.from_ndarray(fitted(image, (self._stream.height, self._stream.width)), format="rgb24")
            self._last = max(self._last + 1, round((seconds - self._start) / _TIME_BASE))
            frame.pts, frame.time_base = self._last, _TIME_BASE
            self._output.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise InputError(f"cannot record to {self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Finish the file. Without a picture there is none."""
        with self._later:  # waits for the pictures that are still to be encoded
            pass
        if self._output is None:
            return
        self._output.mux(self._stream.encode(None))
        self._output = None
        self._stack.close()

    def _begin(self, image: np.ndarray, seconds: float) -> None:
        temporary = self._stack.enter_context(write_beside(self.path))
        self._output = self._stack.enter_context(av.open(str(temporary), "w"))
        self._stream = self._output.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": _QUALITY})
        self._stream.height, self._stream.width = (side // 2 * 2 for side in image.shape[:2])
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._stream.time_base = _TIME_BASE
        self._start = seconds


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
                    f"no virtual camera: {str(error).splitlines()[0].rstrip('.')}. On macOS or Windows install OBS and "
                    "start its camera once; on Linux: sudo modprobe v4l2loopback (package v4l2loopback-dkms)"
                ) from error
        self._camera.send(fitted(image, (self._camera.height, self._camera.width)))

    def close(self) -> None:
        """Leave the stage."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None


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
