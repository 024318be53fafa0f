"""Who watches the virtual camera: v4l2loopback (0.13 and later) tells it by an event, asked for here anew each time.

Type and payload of the event are v4l2loopback's, the two structures Linux's (uapi/linux/videodev2.h, 64-bit). A fresh
file is asked because events are told once: one that is lost would leave the camera off, or on, for good.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable

import numpy as np

from .camera import Clock, Source

_CLIENT_USAGE = 0x08000000 + 0x08E00000 + 1  # V4L2_EVENT_PRIVATE_START, v4l2loopback's own offset and first event
_SEND_INITIAL = 1  # V4L2_EVENT_SUB_FL_SEND_INITIAL
_SUBSCRIPTION = struct.Struct("III20x")  # type, id, flags
_EVENT = struct.Struct("I4xI124x")  # type, and the payload's first word: how many clients stream
_SUBSCRIBE = 1 << 30 | _SUBSCRIPTION.size << 16 | ord("V") << 8 | 90  # VIDIOC_SUBSCRIBE_EVENT
_DEQUEUE = 2 << 30 | _EVENT.size << 16 | ord("V") << 8 | 89  # VIDIOC_DQEVENT

_ASK_SECONDS = 1.0  # between two questions
_LINGER_SECONDS = 5.0  # that a camera stays on after the last watcher has left
_IDLE_SECONDS = 0.5  # between two pictures that say that the camera is off


def is_watched(device: str) -> bool | None:
    """Whether a program reads the virtual camera at `device`; None where its driver does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    from fcntl import ioctl

    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        ioctl(file, _SUBSCRIBE, _SUBSCRIPTION.pack(_CLIENT_USAGE, 0, _SEND_INITIAL))
        kind, count = _EVENT.unpack(ioctl(file, _DEQUEUE, bytes(_EVENT.size)))
    except OSError:  # an older driver, or OBS's
        return None
    finally:
        os.close(file)
    return count > 0 if kind == _CLIENT_USAGE else None


class OnDemand:
    """A camera that is open only while somebody watches, so that its light tells the truth.

    `watched` gives None where it cannot be known: then the camera stays open. While it is closed, plain pictures of
    its size come twice a second, which keep the virtual camera in other programs' lists.
    """

    def __init__(
        self,
        source: Source,
        reopen: Callable[[], Source],
        watched: Callable[[], bool | None],
        say: Callable[[str], object] = lambda text: None,
        clock: Clock | None = None,
    ) -> None:
        self._source: Source | None = source
        self._reopen, self._watched, self._say, self._clock = reopen, watched, say, clock or Clock()
        self.rate = source.rate
        self._asked = self._seen = self._clock.now()
        self._size = (0, 0)

    def read(self) -> np.ndarray | None:
        """The next picture; a plain grey one while the camera is closed."""
        while True:
            wanted = self._is_wanted()
            if self._source is None and wanted:
                self._say("camera on: somebody watches the virtual camera")
                self._source = self._reopen()
            elif self._source is not None and not wanted and self._size != (0, 0):
                self._source.close()
                self._source = None
                self._say("camera off: nobody watches the virtual camera")
            if self._source is not None:
                picture = self._source.read()
                self._size = self._size if picture is None else picture.shape[:2]
                return picture
            self._clock.sleep(_IDLE_SECONDS)
            if not self._is_wanted():
                return np.full((*self._size, 3), 128, np.uint8)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _is_wanted(self) -> bool:
        now = self._clock.now()
        if now - self._asked >= _ASK_SECONDS or self._source is None:
            self._asked = now
            if self._watched() is not False:
                self._seen = now
        return now - self._seen < _LINGER_SECONDS and (self._source is not None or self._seen == now)
