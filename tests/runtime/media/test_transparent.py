"""Video with alpha: written, and read back by FFmpeg's own decoders."""

import av
import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.media.video import VideoReader
from portraitnet.runtime.metrics import iou
from portraitnet.runtime.process import run


def decoded(path):
    """RGBA pictures and their seconds; libvpx for WebM, since FFmpeg's own VP9 decoder drops alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        own = av.CodecContext.create("libvpx-vp9", "r") if path.suffix == ".webm" else None
        for packet in container.demux(stream):
            for frame in own.decode(packet if packet.size else None) if own else packet.decode():
                yield frame.reformat(format="rgba").to_ndarray(), float(frame.pts * frame.time_base)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("out.mov", "prores", "yuva444p12le"), ("out.webm", "vp9", "yuv420p"), ("out.mkv", "ffv1", "bgra")],
)
def test_the_alpha_plane_survives(make_clip, tmp_path, segmenter, person, name, codec, pixels):
    times = [0, 3000, 4500, 12_000, 15_000, 30_000]
    clip = make_clip(frames=6, times=times, sound="aac")
    run([clip], segmenter, tmp_path / name, background="none", smooth=False)
    with av.open(str(tmp_path / name)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == (codec, pixels)
        assert len(container.streams.audio) == 1
    frames = list(decoded(tmp_path / name))
    # From the first picture on: Matroska begins with the sound's silent start, a fiftieth of a second before.
    seconds = [seconds - frames[0][1] for _, seconds in frames]
    assert seconds == pytest.approx([t / 90_000 for t in times], abs=0.002)
    for picture, _ in frames:
        assert iou(picture[..., 3] > 127, person[1]) > 0.9
        inside = picture[30:55, 32:48]
        assert (inside[..., 3] > 250).all()
        assert np.abs(inside[..., :3].astype(int) - (0, 200, 0)).mean() < 6
        outside = picture[:15]
        assert outside[..., 3].max() <= 3
        assert outside[..., 0].max() < 30  # nothing of the red background


def test_numbered_pictures(make_clip, tmp_path, segmenter, person):
    clip = make_clip(frames=3)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "other.txt").write_text("mine")
    run([clip], segmenter, tmp_path / "frames" / "f%03d.png", background="none")
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["f001.png", "f002.png", "f003.png", "other.txt"]
    result = np.asarray(Image.open(tmp_path / "frames" / "f002.png"))
    assert iou(result[..., 3] > 127, person[1]) > 0.9
    assert not result[result[..., 3] == 0].any()


@pytest.mark.parametrize("output", ["mask", "foreground"])
def test_fill_and_key(make_clip, tmp_path, segmenter, person, output):
    clip = make_clip(frames=3)
    for name in ("a.webm", "a.mov", "a.mkv"):
        run([clip], segmenter, tmp_path / f"{output}-{name}", output=output)
        picture = next(iter(VideoReader(tmp_path / f"{output}-{name}"))).image
        expected = (255, 255, 255) if output == "mask" else (0, 200, 0)
        assert np.abs(picture[35:50, 35:45].astype(int) - expected).mean() < 8
        assert picture[2:10, 2:10].max() < 12


def test_a_clip_with_alpha_stays_transparent(make_clip, tmp_path, segmenter):
    """What the source hides does not come back, although the model would call it a person."""
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 80, 60, "bgra"
        for index in range(3):
            picture = np.zeros((60, 80, 4), np.uint8)
            picture[..., 1], picture[:, 40:, 3] = 200, 255  # green all over; the left half hidden
            frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="bgra")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    run([path], segmenter, tmp_path / "out.mkv", background="none")
    for picture, _ in decoded(tmp_path / "out.mkv"):
        assert not picture[:, :40].any()
        assert (picture[:, 44:, 3] == 255).all()
    assert (next(iter(VideoReader(path))).image[:, :40] == 255).all()  # on white for everybody else
    run([path], segmenter, tmp_path / "out.mp4", background="#0000ff")
    shown = next(iter(VideoReader(tmp_path / "out.mp4"))).image
    assert shown[30, 10, 2] > 230
    assert shown[30, 10, 1] < 20


def test_vp9_with_alpha_is_read_with_it(make_clip, tmp_path, segmenter, person):
    run([make_clip(frames=3)], segmenter, tmp_path / "a.webm", background="none")
    reader = VideoReader(tmp_path / "a.webm")
    assert reader.has_alpha
    assert iou(next(iter(reader)).rgba[..., 3] > 127, person[1]) > 0.9
