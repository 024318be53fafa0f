"""Recordings outlive the program that makes them, and their colours are what players expect."""

import subprocess
import sys
from contextlib import suppress

import av
import numpy as np
import pytest

from portraitnet.runtime.errors import InputError, OutputError
from portraitnet.runtime.live.sinks import Recorder
from portraitnet.runtime.media.video import VideoReader

RECORDS = """
import sys, time
from pathlib import Path
import numpy as np
from portraitnet.runtime.live.sinks import Recorder
recorder = Recorder(Path(sys.argv[1]))
for index in range(150):
    recorder.send(np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8), index / 30)
with recorder._later:
    pass
print("five seconds", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_a_killed_recording_plays_up_to_its_last_second(tmp_path, name):
    with subprocess.Popen([sys.executable, "-c", RECORDS, str(tmp_path / name)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.kill()
    with av.open(str(tmp_path / name)) as container:
        seconds = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert max(seconds) > 3.3  # of 5.0: one second of fragment and what the encoder still held
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_full_disk_keeps_what_was_recorded(tmp_path):
    import resource

    recorder = Recorder(tmp_path / "out.mp4")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="holds what was recorded until then"):
            _record_noise(recorder, 400)
        with pytest.raises(OutputError):
            recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    shown = 0
    with av.open(str(tmp_path / "out.mp4")) as container, suppress(av.error.InvalidDataError):  # the last half frame
        for _ in container.decode(video=0):
            shown += 1
    assert shown > 10


def _record_noise(recorder, pictures):
    for index in range(pictures):
        recorder.send(np.random.default_rng(index).integers(0, 255, (120, 160, 3), np.uint8), index / 30)


@pytest.mark.parametrize(
    ("size", "matrix", "weights"), [((720, 1280), 1, (0.2126, 0.0722)), ((480, 640), 6, (0.299, 0.114))]
)
def test_colours_are_tagged_and_stored_as_tagged(tmp_path, size, matrix, weights):
    """The bytes of brightness and colour against the standard's formula, not against our own reader."""
    recorder = Recorder(tmp_path / "out.mp4")
    red, green, blue = 200, 60, 40
    for index in range(3):
        recorder.send(np.full((*size, 3), (red, green, blue), np.uint8), index / 30)
    recorder.close()
    assert_bytes(tmp_path / "out.mp4", matrix, weights, (red, green, blue))


@pytest.mark.parametrize(
    ("size", "matrix", "weights"), [((720, 1280), 1, (0.2126, 0.0722)), ((48, 64), 6, (0.299, 0.114))]
)
def test_an_untagged_video_is_read_and_written_as_players_do(tmp_path, size, matrix, weights):
    from portraitnet.runtime.media.video import VideoWriter

    colour = (200, 60, 40)
    planes = expected(weights, colour)
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for index in range(2):
            frame = av.VideoFrame(size[1], size[0], "yuv420p")
            for plane, value in zip(frame.planes, planes, strict=True):
                plane.update(bytes([round(value)]) * plane.buffer_size)
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    reader = VideoReader(path)
    frames = list(reader)
    assert np.abs(frames[0].image.astype(int) - colour).max() <= 3
    with VideoWriter.open(tmp_path / "out.mp4", like=reader) as writer:
        for frame in frames:
            writer.write(frame, frame.image)
    assert_bytes(tmp_path / "out.mp4", matrix, weights, colour)


def expected(weights, colour):
    """Y, Cb, Cr of limited range, by ITU-R BT.601 and BT.709."""
    (of_red, of_blue), (red, green, blue) = weights, (value / 255 for value in colour)
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    blueness, redness = (blue - luma) / (2 * (1 - of_blue)), (red - luma) / (2 * (1 - of_red))
    return 16 + 219 * luma, 128 + 224 * blueness, 128 + 224 * redness


def assert_bytes(path, matrix, weights, colour):
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
        assert (int(context.colorspace), int(context.color_primaries), int(context.color_trc)) == (matrix,) * 3
        stored = [np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[5, 5] for plane in frame.planes]
    assert np.abs(np.array(stored, float) - expected(weights, colour)).max() < 2.5


def test_a_recording_needs_a_free_name_in_a_folder(tmp_path):
    (tmp_path / "there.mp4").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        Recorder(tmp_path / "there.mp4")
    with pytest.raises(InputError, match="make that folder"):
        Recorder(tmp_path / "no" / "out.mp4")
    with pytest.raises(InputError, match="name too long"):
        Recorder(tmp_path / ("n" * 300 + ".mp4"))
    for _ in range(2):
        Recorder(tmp_path / "nothing.mp4").close()
    assert [path.name for path in tmp_path.iterdir()] == ["there.mp4"]


def test_pictures_of_one_moment_get_times_that_grow(tmp_path):
    recorder = Recorder(tmp_path / "out.mp4")
    for _ in range(4):
        recorder.send(np.zeros((48, 64, 3), np.uint8), 7.0)
    recorder.close()
    seconds = [frame.seconds for frame in VideoReader(tmp_path / "out.mp4")]
    assert seconds == sorted(set(seconds))
