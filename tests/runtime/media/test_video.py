from fractions import Fraction

import av
import numpy as np
import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.media.orientation import Orientation
from portraitnet.runtime.media.video import MAX_FRAME_PIXELS, VideoReader, VideoWriter


def copy(source, target, **options):
    """Write every frame of `source` as it is."""
    reader = VideoReader(source)
    with VideoWriter.open(target, like=reader, **options) as writer:
        for frame in reader:
            writer.write(frame, frame.image)
    return reader


def sound_packets(path):
    with av.open(str(path)) as container:
        return [(bytes(p), p.pts * p.time_base) for p in container.demux(audio=0) if p.dts is not None]


def seconds_of(reader):
    return [frame.pts * frame.time_base for frame in reader]


def test_frames_are_upright_rgb_with_times(make_clip, person):
    reader = VideoReader(make_clip())
    frames = list(reader)
    assert len(frames) == reader.frames == 12
    assert reader.frame_rate == 30
    assert reader.size == (60, 80)
    assert frames[0].image.dtype == np.uint8
    assert np.abs(frames[0].image.astype(int) - person[0]).mean() < 6
    assert [f.seconds for f in frames] == pytest.approx([i / 30 for i in range(12)])
    assert frames[3].duration == pytest.approx(1 / 30)
    assert len(list(reader)) == 12  # every iter starts anew


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_round_trip(make_clip, tmp_path, name):
    reader = copy(make_clip(), tmp_path / name)
    again = VideoReader(tmp_path / name)
    assert again.size == reader.size
    assert seconds_of(again) == pytest.approx(seconds_of(reader), abs=0.001)
    for before, after in zip(reader, again, strict=True):
        assert np.abs(before.image.astype(int) - after.image).mean() < 4
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert not container.streams.audio


def test_variable_frame_rate_survives(make_clip, tmp_path):
    times = [0, 3000, 4500, 12_000, 12_100, 30_000]
    copy(make_clip(frames=6, times=times), tmp_path / "out.mp4")
    assert seconds_of(VideoReader(tmp_path / "out.mp4")) == [Fraction(t, 90_000) for t in times]


@pytest.mark.parametrize("sound", ["aac", "mp3", "flac"])
def test_sound_is_copied_bit_by_bit(make_clip, tmp_path, sound):
    clip = make_clip(sound=sound, frames=40)
    copy(clip, tmp_path / "out.mp4")
    before, after = sound_packets(clip), sound_packets(tmp_path / "out.mp4")
    assert len(before) > 10
    assert [data for data, _ in after] == [data for data, _ in before]
    assert [float(t) for _, t in after] == pytest.approx([float(t) for _, t in before], abs=1e-4)
    copy(clip, tmp_path / "silent.mp4", sound=False)
    with av.open(str(tmp_path / "silent.mp4")) as container:
        assert not container.streams.audio


def test_sound_of_old_kinds_is_copied_where_it_can_be(tmp_path):
    path = tmp_path / "in.avi"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = output.add_stream("pcm_u8", rate=44_100, layout="mono")
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8))
            frame.pts = index
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray(np.arange(2048, dtype=np.uint8)[None], format="u8", layout="mono")
        block.sample_rate = 44_100
        output.mux(audio.encode(block))
        output.mux(audio.encode(None))
    copy(path, tmp_path / "out.mkv")
    before, after = (b"".join(data for data, _ in sound_packets(p)) for p in (path, tmp_path / "out.mkv"))
    assert after == before
    assert len(before) == 2048


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_phone_clips_are_turned_upright(make_clip, tmp_path, rotation):
    stored = np.zeros((60, 80, 3), np.uint8)
    stored[:20, :20] = (255, 0, 0)  # a red mark in the corner of the picture as stored
    clip = make_clip(rotation=rotation, picture=stored)
    upright = np.rot90(stored, rotation // 90)  # the display matrix turns counter-clockwise
    reader = copy(clip, tmp_path / "out.mp4")
    assert reader.size == upright.shape[:2]
    for frame in (next(iter(reader)), next(iter(VideoReader(tmp_path / "out.mp4")))):
        assert np.abs(frame.image.astype(int) - upright).mean() < 6
    assert VideoReader(tmp_path / "out.mp4").orientation == Orientation()


@pytest.mark.parametrize("colorspace", [1, 5])  # BT.709, BT.601
def test_colours_survive_both_ways(make_clip, tmp_path, colorspace):
    colour = np.array((200, 40, 90), np.uint8)
    reader = copy(make_clip(colorspace=colorspace, picture=colour), tmp_path / "out.mp4")
    again = VideoReader(tmp_path / "out.mp4")
    assert reader.colours.matrix == again.colours.matrix == colorspace
    for one in (reader, again):
        assert np.abs(next(iter(one)).image.astype(int) - colour).max() <= 4


def test_full_range_video_keeps_its_contrast(tmp_path):
    path = tmp_path / "full.mkv"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mjpeg", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        for index in range(3):
            ramp = np.broadcast_to(np.linspace(0, 255, 64)[None, :, None], (48, 64, 3)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp))
            frame = frame.reformat(format="yuvj420p", dst_color_range=2)
            frame.pts = index
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    reader = copy(path, tmp_path / "out.mp4")
    for one in (reader, VideoReader(tmp_path / "out.mp4")):
        row = next(iter(one)).image[20].mean(-1)
        assert row[1] < 14
        assert row[-2] > 241


@pytest.mark.parametrize("size", [(61, 81), (3, 200), (2, 2)])
def test_odd_sizes_lose_the_last_row(make_clip, tmp_path, size):
    reader = copy(make_clip("in.mkv", size=size, pix_fmt="yuv444p"), tmp_path / "out.mp4")
    assert reader.size == size
    assert VideoReader(tmp_path / "out.mp4").size == (size[0] // 2 * 2, size[1] // 2 * 2)


def test_one_pixel_video(make_clip, tmp_path):
    reader = VideoReader(make_clip("in.mkv", size=(1, 40), pix_fmt="yuv444p"))
    with pytest.raises(InputError, match="too small"), VideoWriter.open(tmp_path / "o.mp4", like=reader):
        pass


@pytest.mark.parametrize("kind", ["plain", "faststart", "mkv"])
def test_truncated_videos(make_clip, tmp_path, kind):
    options = {"movflags": "faststart"} if kind == "faststart" else {}
    path = make_clip(f"in.{'mkv' if kind == 'mkv' else 'mp4'}", frames=120, noise=True, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    with pytest.raises(InputError, match=r"damaged|cut short") as caught:
        list(VideoReader(path))
    assert "\n" not in str(caught.value)


def test_damaged_frames(make_clip):
    path = make_clip(frames=60, noise=True)
    data = bytearray(path.read_bytes())
    start, size = data.index(b"mdat") + 12_000, path.stat().st_size // 2
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        list(VideoReader(path))


@pytest.mark.parametrize("content", [b"", b"hello", b"#EXTM3U\n#EXTINF:2,\nclip.mp4\n#EXT-X-ENDLIST\n"])
def test_what_is_no_video(tmp_path, make_clip, content):
    make_clip()
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match="no video that can be read"):
        VideoReader(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="does not exist"):
        VideoReader(tmp_path / "b.mp4")


def test_tags_that_are_no_utf8_do_not_matter(make_clip):
    path = make_clip()
    data = path.read_bytes()
    assert b"VideoHandler" in data
    path.write_bytes(data.replace(b"VideoHandler", b"Vid\xe9oHandler"))  # Latin-1, as old cameras wrote it
    assert len(list(VideoReader(path))) == 12


def test_an_unknown_codec_is_refused(make_clip):
    path = make_clip()
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(InputError, match="no decoder"):
        VideoReader(path)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        audio = output.add_stream("aac", rate=48_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 48_000
        output.mux(audio.encode(block))
        output.mux(audio.encode(None))
    with pytest.raises(InputError, match="holds no video"):
        VideoReader(tmp_path / "a.mp4")


def test_huge_frames_are_refused(make_clip, monkeypatch):
    path = make_clip()
    assert MAX_FRAME_PIXELS > 8000 * 4000
    monkeypatch.setattr("portraitnet.runtime.media.video_reader.MAX_FRAME_PIXELS", 1000)
    with pytest.raises(InputError):
        VideoReader(path)


def test_writer_refuses_what_it_cannot_do(make_clip, tmp_path):
    reader = VideoReader(make_clip())
    frame = next(iter(reader))
    with pytest.raises(InputError, match="use one of"), VideoWriter.open(tmp_path / "o.avi", like=reader):
        pass
    with pytest.raises(ValueError, match="expected uint8"), VideoWriter.open(tmp_path / "o.mp4", like=reader) as writer:
        writer.write(frame, frame.image[:10])
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
