"""The camera that is open only while somebody watches. No v4l2loopback was there: its answers are stood in for."""

import struct

import numpy as np
import pytest

from portraitnet.runtime.live import watchers
from portraitnet.runtime.live.watchers import OnDemand, is_watched


class Time:
    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


class Light:
    """A camera with a light, whose pictures come every tenth of a second and are not grey."""

    rate = 10.0

    def __init__(self, time, log):
        self.time, self.log = time, log
        log.append("on")

    def read(self):
        self.time.seconds += 0.1
        return np.full((6, 8, 3), 50, np.uint8)

    def close(self):
        self.log.append("off")


def session(watched):
    time, log, said = Time(), [], []
    source = OnDemand(Light(time, log), lambda: Light(time, log), watched, said.append, time)
    return source, time, log, said


def read_until(source, time, seconds):
    pictures = []
    while time.seconds < seconds:
        pictures.append(source.read())
    return pictures


def test_the_camera_goes_off_when_nobody_watches_and_on_when_somebody_does():
    answers = {"now": False}
    source, time, log, said = session(lambda: answers["now"])
    read_until(source, time, 12)
    assert log == ["on", "off"]
    idle = read_until(source, time, 20)
    assert all((picture == 128).all() and picture.shape == (6, 8, 3) for picture in idle)
    assert 10 <= len(idle) <= 20  # two a second
    answers["now"] = True
    shown = read_until(source, time, 25)
    assert log == ["on", "off", "on"]
    assert (shown[0] == 50).all()
    assert said == [
        "camera off: nobody watches the virtual camera",
        "camera on: somebody watches the virtual camera",
    ]
    source.close()
    assert log[-1] == "off"


def test_a_short_absence_keeps_the_camera_on():
    answers = {"now": True}
    source, time, log, _ = session(lambda: answers["now"])
    read_until(source, time, 3)
    answers["now"] = False
    read_until(source, time, 6)
    answers["now"] = True
    read_until(source, time, 12)
    assert log == ["on"]


def test_where_it_cannot_be_known_the_camera_stays_on():
    source, time, log, _ = session(lambda: None)
    read_until(source, time, 30)
    assert log == ["on"]
    source.close()
    source.close()
    assert log == ["on", "off"]


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """A file in place of the device, and the answers of its driver: how many clients stream, or an error."""
    pytest.importorskip("fcntl")
    state = {"clients": 1, "asked": []}
    device = tmp_path / "video9"
    device.write_bytes(b"")

    def ioctl(file, request, given):
        state["asked"].append((request, given))
        if isinstance(state["clients"], OSError):
            raise state["clients"]
        return struct.pack("I4xI124x", 0x10E00001, state["clients"]) if request == 0x80885659 else given

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    monkeypatch.setattr(watchers.sys, "platform", "linux")
    return device, state


def test_v4l2loopback_is_asked_for_its_clients(driver):
    device, state = driver
    assert is_watched(str(device)) is True
    (subscribe, subscription), (dequeue, _) = state["asked"]
    # As the kernel's own header computes them (a program in C printed these).
    assert (subscribe, dequeue) == (0x4020565A, 0x80885659)
    assert struct.unpack("III20x", subscription) == (0x10E00001, 0, 1)
    state["clients"] = 0
    assert is_watched(str(device)) is False


def test_other_drivers_do_not_tell(driver, monkeypatch):
    device, state = driver
    state["clients"] = OSError(22, "Invalid argument")
    assert is_watched(str(device)) is None
    assert is_watched(str(device.with_name("none"))) is None
    monkeypatch.setattr(watchers.sys, "platform", "darwin")
    assert is_watched(str(device)) is None
