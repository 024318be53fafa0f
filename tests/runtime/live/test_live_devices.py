"""Where live pictures come from and go: cameras that fall silent, folders in their place, virtual cameras, windows."""

import time
from typing import ClassVar

import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.live import camera as camera_module
from portraitnet.runtime.live import sinks
from portraitnet.runtime.live.camera import Camera, Replay, open_source
from portraitnet.runtime.live.sinks import VirtualCamera


def test_a_folder_or_a_video_stands_in_for_a_camera(tmp_path):
    for index in range(3):
        Image.new("RGB", (40, 30), (80 * index, 0, 0)).save(tmp_path / f"{index}.png")
    source = open_source(str(tmp_path), (60, 80))
    began = time.monotonic()
    pictures = [source.read() for _ in range(4)]
    assert time.monotonic() - began > 1.8 / 30
    assert pictures[3] is None
    assert [p[0, 0, 0] for p in pictures[:3]] == [0, 80, 160]
    assert pictures[0].shape == (60, 80, 3)
    looped = Replay(tmp_path, loop=True)
    assert [looped.read()[0, 0, 0] for _ in range(5)] == [0, 80, 160, 0, 80]


@pytest.mark.parametrize(
    ("camera", "message"), [("nowhere.mp4", "neither a camera's number"), ("note.txt", "is no camera")]
)
def test_what_is_no_source_says_so(camera, message, tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError, match=message):
        open_source(str(tmp_path / camera))


class Device:
    """A cv2.VideoCapture whose pictures and silences are listed."""

    script: ClassVar[list] = []

    def __init__(self, number):
        self.open = bool(self.script)

    def isOpened(self):
        return self.open

    def get(self, key):
        return 0.0

    def set(self, key, value):
        return True

    def read(self):
        picture = self.script.pop(0) if self.script else None
        return picture is not None, picture

    def release(self):
        self.open = False


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(camera_module.cv2, "VideoCapture", Device)
    monkeypatch.setattr(camera_module, "_RETRY_SECONDS", 0.3)
    monkeypatch.setattr(camera_module, "_RETRY_PAUSE", 0.05)
    return Device


def test_a_camera_gives_rgb_and_comes_back_after_a_silence(device):
    blue = np.zeros((4, 4, 3), np.uint8)
    blue[..., 0] = 255  # BGR
    device.script = [blue, None, None, blue]
    said = []
    source = Camera(0, (480, 640), said.append)
    assert source.rate == 30
    assert source.read()[0, 0].tolist() == [0, 0, 255]
    assert source.read()[0, 0].tolist() == [0, 0, 255]
    assert said == ["camera 0 gives no picture; trying again", "camera 0 is back"]
    with pytest.raises(InputError, match="unplugged or taken over"):
        source.read()
    source.close()


def test_a_camera_that_is_not_there(device):
    device.script = []
    with pytest.raises(InputError, match="camera 3 cannot be opened: there is none, or another program has it"):
        open_source("3")


class FakeVirtual:
    sent: ClassVar[list] = []

    def __init__(self, width, height, fps):
        self.width, self.height, self.fps = width, height, fps

    def send(self, image):
        self.sent.append(image.shape)

    def close(self):
        self.sent.append("closed")


def test_the_virtual_camera_keeps_its_size(monkeypatch):
    pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="the webcam extra is not installed")
    monkeypatch.setattr(pyvirtualcam, "Camera", FakeVirtual)
    FakeVirtual.sent = []
    virtual = VirtualCamera(30)
    virtual.send(np.zeros((48, 64, 3), np.uint8), 0)
    virtual.send(np.zeros((64, 64, 3), np.uint8), 1)
    virtual.close()
    assert FakeVirtual.sent == [(48, 64, 3), (48, 64, 3), "closed"]


def test_without_a_virtual_camera_the_message_says_how_to_get_one():
    pytest.importorskip("pyvirtualcam", reason="the webcam extra is not installed")
    virtual = VirtualCamera(30)
    with pytest.raises(InputError, match="v4l2loopback"):
        virtual.send(np.zeros((48, 64, 3), np.uint8), 0)


def test_a_headless_machine_is_told_what_to_do(monkeypatch):
    def refuse(*_):
        raise cv2.error("no display")

    monkeypatch.setattr(sinks.cv2, "namedWindow", refuse)
    monkeypatch.setenv("DISPLAY", ":77")
    with pytest.raises(InputError, match="--no-preview"):
        sinks.Preview()
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sinks.sys, "platform", "linux")
    with pytest.raises(InputError, match="--no-preview"):
        sinks.Preview()
