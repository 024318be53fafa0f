"""Videos as phones, cameras and old programs make them: mirrored, interlaced, with odd sound, with tags."""

import av
import numpy as np
import pytest

from portraitnet.runtime.media.orientation import Orientation
from portraitnet.runtime.media.video import VideoReader, VideoWriter

UNITY = 1 << 16


def copy(source, target, **options):
    reader = VideoReader(source)
    with VideoWriter.open(target, like=reader, **options) as writer:
        for frame in reader:
            writer.write(frame, frame.image)
    return reader


def with_matrix(path, matrix):
    """Put the four linear terms of a display matrix into an MP4's track header, as a phone does."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes before the matrix
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[at + place : at + place + 4] = (value * UNITY).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((1, 0, 0, 1), lambda picture: picture),
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
        ((1, 0, 0, -1), lambda picture: picture[::-1]),
        ((-1, 0, 0, -1), lambda picture: picture[::-1, ::-1]),
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
        ((0, -1, 1, 0), lambda picture: np.rot90(picture, 1)),
        ((0, 1, 1, 0), lambda picture: picture.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda picture: picture[::-1, ::-1].transpose(1, 0, 2)),
    ],
    ids=["upright", "mirrored", "flipped", "half turn", "right", "left", "mirrored left", "mirrored right"],
)
def test_every_display_matrix(make_clip, tmp_path, matrix, upright):
    """x' = a x + c y, y' = b x + d y, as ISO 14496-12 defines it."""
    stored = np.zeros((60, 80, 3), np.uint8)
    stored[:20, :20], stored[40:, :20] = (255, 0, 0), (0, 0, 255)
    clip = with_matrix(make_clip(picture=stored, frames=2), matrix)
    reader = copy(clip, tmp_path / "out.mp4")
    right = upright(stored)
    assert reader.size == right.shape[:2]
    again = VideoReader(tmp_path / "out.mp4")
    assert again.orientation == Orientation()
    for one in (reader, again):
        assert np.abs(next(iter(one)).image.astype(int) - right).mean() < 8


@pytest.fixture
def interlaced(tmp_path):
    """A white bar that moves 8 pixels from field to field."""
    path = tmp_path / "interlaced.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "5", "x264-params": "interlaced=1:tff=1"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for index in range(10):
            picture = np.zeros((96, 160, 3), np.uint8)
            for field in (0, 1):
                left = 10 + 8 * (2 * index + field)
                picture[field::2, left : left + 20 - 20 * (left > 140)] = 255
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def combing(picture):
    rows = picture[8:-8, :, 1].astype(int)
    return np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()


def test_interlaced_video_is_deinterlaced(interlaced):
    plain = list(VideoReader(interlaced, deinterlace=False))
    smooth = list(VideoReader(interlaced))
    assert combing(plain[4].image) > 20
    assert all(combing(frame.image) < 5 for frame in smooth[1:-1])
    assert [frame.seconds for frame in smooth] == pytest.approx([frame.seconds for frame in plain])
    assert len(smooth) == len(plain) == 10
    assert smooth[3].duration == pytest.approx(1 / 25)


def test_progressive_video_is_left_alone(make_clip):
    clip = make_clip(noise=True, frames=4)
    for one, other in zip(VideoReader(clip), VideoReader(clip, deinterlace=False), strict=True):
        assert (one.image == other.image).all()


def sounds(path):
    with av.open(str(path)) as container:
        return [(s.codec_context and s.codec_context.name, s.language) for s in container.streams.audio]


def test_a_sound_track_that_nothing_decodes_is_dropped_and_told(make_clip, tmp_path, caplog):
    clip = make_clip("in.mov", sound="aac", frames=20)
    data = bytearray(clip.read_bytes())
    at = data.index(b"mp4a", data.rindex(b"stsd"))
    data[at : at + 4] = b"apac"  # Apple's spatial sound
    at = data.index(b"wave", at)  # which says AAC again
    data[at : at + 4] = b"free"
    clip.write_bytes(data)
    copy(clip, tmp_path / "out.mp4")
    assert sounds(tmp_path / "out.mp4") == []
    assert len(list(VideoReader(tmp_path / "out.mp4"))) == 20
    assert "sound track 1 is of a kind that nothing here decodes" in caplog.text


def test_repeated_sound_times_are_mended(make_clip, tmp_path):
    """As some recorders write them: the same decoding time twice in a row."""
    clip = make_clip(sound="aac", frames=30)
    path = tmp_path / "repeated.mkv"
    with av.open(str(clip)) as source, av.open(str(path), "w") as output:
        streams = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for index, packet in enumerate(source.demux()):
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and index % 5 == 0 and packet.dts > 1024:
                packet.dts = packet.pts = packet.dts - 1024
            packet.stream = streams[packet.stream.index]
            output.mux(packet)
    copy(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [packet.dts for packet in container.demux(audio=0) if packet.dts is not None]
    assert len(times) > 40
    assert times == sorted(set(times))


@pytest.mark.parametrize(("name", "codec"), [("out.mp4", "aac"), ("out.webm", "opus")])
def test_sound_that_a_container_cannot_hold_is_encoded_again(tmp_path, caplog, name, codec):
    path = tmp_path / "in.avi"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = output.add_stream("adpcm_ms", rate=44_100, layout="mono")
        audio.codec_context.open()
        resampler = av.AudioResampler(audio.format, "mono", 44_100, audio.codec_context.frame_size)
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8))
            frame.pts = index
            output.mux(video.encode(frame))
            tone = (8000 * np.sin(2 * np.pi * 440 * (np.arange(1470) + 1470 * index) / 44_100)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            block.sample_rate, block.pts = 44_100, index * 1470
            for part in resampler.resample(block):
                output.mux(audio.encode(part))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    copy(path, tmp_path / name)
    assert [name for name, _ in sounds(tmp_path / name)] == [codec]
    assert f"encoded again as {'lib' * (codec == 'opus')}{codec}" in caplog.text
    with av.open(str(tmp_path / name)) as container:
        blocks = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    heard = np.concatenate(blocks)[rate // 2 : rate // 2 + rate]
    assert np.argmax(np.abs(np.fft.rfft(heard))) == pytest.approx(440, abs=2)  # Hz, over one second
    copy(path, tmp_path / f"silent-{name}", sound=False)
    assert sounds(tmp_path / f"silent-{name}") == []


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_tags_languages_and_dispositions_are_kept(make_clip, tmp_path, name):
    clip = make_clip(sound="aac", frames=20)
    path = tmp_path / "tagged.mp4"
    tags = {"title": "My holiday", "creation_time": "2020-01-02T03:04:05.000000Z", "location": "+52.5000+013.4000/"}
    with av.open(str(clip)) as source, av.open(str(path), "w") as output:
        output.metadata.update(tags)
        (video, audio) = [output.add_stream_from_template(s) for s in source.streams]
        second = output.add_stream_from_template(source.streams.audio[0])
        audio.metadata["language"], second.metadata["language"] = "deu", "fra"
        second.metadata["title"] = "Commentary"
        audio.disposition, second.disposition = 1, 0
        for packet in source.demux():
            if packet.dts is None:
                continue
            copies = [video] if packet.stream.type == "video" else [audio, second]
            for stream in copies:
                packet.stream = stream
                output.mux(packet)
    copy(path, tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        kept = {key.lower(): value for key, value in container.metadata.items()}
        for key, value in tags.items():
            assert kept[key][:19] == value[:19], key
        first, second = container.streams.audio
        assert [first.language, second.language] == ["deu", "fra"]
        assert (bool(first.disposition & 1), bool(second.disposition & 1)) == (True, False)
        assert "Commentary" in second.metadata.values()


def test_deinterlaced_times_are_in_the_files_own_unit(interlaced):
    """The filter halves the unit of time."""
    smooth, plain = VideoReader(interlaced), VideoReader(interlaced, deinterlace=False)
    assert {frame.time_base for frame in smooth} == {plain.time_base}
    assert [frame.pts for frame in smooth] == [frame.pts for frame in plain]
