"""Where live pictures come from and go: cameras that fall silent, folders in their place, virtual cameras, windows."""

from fractions import Fraction
from typing import ClassVar

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.live import camera as camera_module
from portraitnet.runtime.live import sinks
from portraitnet.runtime.live.camera import Camera, Clock, Replay, open_source
from portraitnet.runtime.live.sinks import VirtualCamera


class Watch(Clock):
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


def shown_at(source, watch, work=0.0):
    """(seconds since the first picture, picture) of a whole source; `work` is what its user takes for each."""
    shown = []
    while (picture := source.read()) is not None:
        shown.append((watch.now(), picture))
        watch.sleep(work)
    return [(round(time - shown[0][0], 3), picture) for time, picture in shown]


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        Image.new("RGB", (40, 30), (80 * index, 0, 0)).save(tmp_path / f"{index}.png")
    return tmp_path


def test_a_folder_stands_in_for_a_camera_at_30_pictures_a_second(folder):
    watch = Watch()
    shown = shown_at(Replay(folder, clock=watch), watch)
    assert [time for time, _ in shown] == [0.0, 0.033, 0.067]
    assert [picture[0, 0, 0] for _, picture in shown] == [0, 80, 160]
    looped = Replay(folder, loop=True, clock=watch)
    began = watch.now()
    assert [looped.read()[0, 0, 0] for _ in range(5)] == [0, 80, 160, 0, 80]
    assert watch.now() - began == pytest.approx(4 / 30)


def clip_at(path, times, size=(48, 64)):
    """A video whose pictures are due at `times`, in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_video_of_varying_rate_is_played_by_its_timestamps(tmp_path):
    times = [0.0, 0.04, 0.5, 0.54, 1.0, 1.02]
    watch = Watch()
    shown = shown_at(Replay(clip_at(tmp_path / "clip.mp4", times), clock=watch), watch)
    assert [time for time, _ in shown] == pytest.approx(times, abs=0.002)


def test_who_takes_too_long_moves_what_follows_and_nothing_is_hurried(tmp_path):
    watch = Watch()
    source = Replay(clip_at(tmp_path / "clip.mp4", [number / 25 for number in range(5)]), clock=watch)
    assert [time for time, _ in shown_at(source, watch, work=0.1)] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((320, 180), (320, 180)), ((180, 320), (180, 320)), ((640, 360), (320, 180)), ((200, 400), (160, 320))],
)
def test_a_file_keeps_its_shape_and_is_only_ever_shrunk(tmp_path, size, expected):
    """(height, width) of a video, and what --size 320x180 makes of it: upright ones stay upright."""
    source = Replay(clip_at(tmp_path / "clip.mp4", [0.0], size), (180, 320), clock=Watch())
    assert source.read().shape[:2] == expected
    small = Replay(clip_at(tmp_path / "small.mp4", [0.0], (48, 64)), (180, 320), clock=Watch())
    assert small.read().shape[:2] == (48, 64)


@pytest.mark.parametrize(
    ("camera", "message"), [("nowhere.mp4", "neither a camera's number"), ("note.txt", "is no camera")]
)
def test_what_is_no_source_says_so(camera, message, tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError, match=message):
        open_source(str(tmp_path / camera))


class Device:
    """Stands in for a webcam behind V4L2: it has `modes`, grants the nearest, and keeps a record of what was set.

    As V4L2 does, it takes a new pixel format or size by choosing among its modes, and the rate is the mode's own.
    """

    YUYV, MJPG = "YUYV", "MJPG"
    modes: ClassVar[dict] = {}  # pixel format -> {(width, height): frames/s}
    script: ClassVar[list] = []  # pictures, and None for silence
    log: ClassVar[list] = []

    def __init__(self, number):
        self.open = bool(self.script)
        self.format = next(iter(self.modes), "")
        self.size = next(iter(self.modes[self.format])) if self.modes else (640, 480)
        self.wanted = dict(zip(("width", "height"), self.size, strict=True))

    def isOpened(self):
        return self.open

    def get(self, key):
        width, height = self.size
        rate = self.modes[self.format][self.size] if self.modes else 0.0
        code = cv2.VideoWriter.fourcc(*self.format) if self.format else 0
        known = {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height, cv2.CAP_PROP_FPS: rate}
        return float({**known, cv2.CAP_PROP_FOURCC: code}.get(key, 0))

    def set(self, key, value):
        names = {cv2.CAP_PROP_FOURCC: "format", cv2.CAP_PROP_FRAME_WIDTH: "width", cv2.CAP_PROP_FRAME_HEIGHT: "height"}
        name = {**names, cv2.CAP_PROP_FPS: "rate", cv2.CAP_PROP_BUFFERSIZE: "buffers"}[key]
        if name == "format":
            value = int(value).to_bytes(4, "little").decode()
        self.log.append((name, value))
        if name == "format" and value in self.modes:
            self.format = value
        if name in self.wanted:
            self.wanted[name] = int(value)
        if self.modes:
            near = lambda mode: sum(abs(a - b) for a, b in zip(mode, self.wanted.values(), strict=True))  # noqa: E731
            self.size = min(self.modes[self.format], key=near)
        return True

    def read(self):
        picture = self.script.pop(0) if self.script else None
        return picture is not None, picture

    def release(self):
        self.open = False


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(camera_module.cv2, "VideoCapture", Device)
    monkeypatch.setattr(Device, "modes", {})
    monkeypatch.setattr(Device, "log", [])
    monkeypatch.setattr(Device, "script", [np.zeros((4, 4, 3), np.uint8)])
    return Device


WEBCAM = {
    "YUYV": {(640, 480): 30.0, (1280, 720): 10.0},  # what fits through USB 2 uncompressed
    "MJPG": {(640, 480): 30.0, (1280, 720): 30.0, (1920, 1080): 30.0},
}


def test_a_webcam_is_asked_for_mjpg_before_the_size_and_gives_30_frames(device, monkeypatch):
    monkeypatch.setattr(device, "modes", WEBCAM)
    said = []
    source = Camera(0, (720, 1280), said.append)
    assert device.log[:4] == [("format", "MJPG"), ("height", 720), ("width", 1280), ("rate", 30.0)]
    assert [name for name, _ in device.log].count("format") == 1
    assert source.rate == 30
    assert said == ["camera 0: 1280x720 at 30 frames/s (MJPG)"]


def test_a_webcam_that_is_slower_in_mjpg_goes_back_to_its_own_format(device, monkeypatch):
    monkeypatch.setattr(device, "modes", {"YUYV": {(1280, 720): 60.0}, "MJPG": {(1280, 720): 15.0}})
    said = []
    assert Camera(0, (720, 1280), said.append).rate == 60
    assert said == ["camera 0: 1280x720 at 60 frames/s (YUYV)"]


def test_the_best_of_what_is_granted_is_kept_and_told(device, monkeypatch):
    monkeypatch.setattr(device, "modes", {"YUYV": {(1280, 720): 5.0}, "MJPG": {(1280, 720): 15.0}})
    said = []
    assert Camera(0, (720, 1280), said.append).rate == 15
    assert said == [
        "camera 0: 1280x720 at 15 frames/s (MJPG); asked for 1280x720 at 30 frames/s, --size asks for another"
    ]
    monkeypatch.setattr(device, "modes", {"YUYV": {(640, 480): 30.0}})
    Camera(0, (720, 1280), said.append)
    assert said[1].startswith("camera 0: 640x480 at 30 frames/s (YUYV); asked for 1280x720")


def test_a_camera_gives_rgb_and_comes_back_after_a_silence_in_the_same_format(device, monkeypatch):
    blue = np.zeros((4, 4, 3), np.uint8)
    blue[..., 0] = 255  # BGR
    monkeypatch.setattr(device, "script", [blue, None, None, blue])
    monkeypatch.setattr(device, "modes", WEBCAM)
    said, watch = [], Watch()
    source = Camera(0, (720, 1280), said.append, watch)
    assert source.read()[0, 0].tolist() == [0, 0, 255]
    device.log.clear()
    assert source.read()[0, 0].tolist() == [0, 0, 255]
    assert {value for name, value in device.log if name == "format"} == {"MJPG"}
    assert said[1:] == ["camera 0 gives no picture; trying again", "camera 0 is back"]
    with pytest.raises(InputError, match="unplugged or taken over"):
        source.read()
    assert watch.now() > 105  # tried for five seconds
    source.close()


def test_a_camera_that_says_nothing_of_itself_counts_as_30_frames(device):
    assert Camera(0, None).rate == 30


def test_a_camera_that_is_not_there(device, monkeypatch):
    monkeypatch.setattr(device, "script", [])
    with pytest.raises(InputError, match="camera 3 cannot be opened: there is none, or another program has it"):
        open_source("3")
    with pytest.raises(InputError, match="camera"):
        open_source("99999999999")


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


def test_a_virtual_camera_that_breaks_is_one_line(monkeypatch):
    pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="the webcam extra is not installed")

    class Breaking(FakeVirtual):
        def send(self, image):
            raise RuntimeError("error writing frame: No such device.\nmore")

        def close(self):
            raise RuntimeError("already gone")

    monkeypatch.setattr(pyvirtualcam, "Camera", Breaking)
    virtual = VirtualCamera(30)
    with pytest.raises(InputError, match=r"takes no more pictures: error writing frame: No such device$"):
        virtual.send(np.zeros((48, 64, 3), np.uint8), 0)
    with pytest.raises(InputError, match="was not closed: already gone"):
        virtual.close()
    virtual.close()


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
