import av
import pytest

from portraitnet.benchmarks.latency.clip import sample_portrait, write_panning_clip


def test_the_clip_has_the_stated_size_rate_and_length_and_moves(tmp_path):
    clip = write_panning_clip(tmp_path / "clip.mp4", size=(72, 128), seconds=1, rate=24)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate == 24
    assert len(frames) == 24
    assert frames[0].shape == (72, 128, 3)
    assert abs(frames[0].astype(int) - frames[12]).mean() > 2


def test_the_sample_is_a_portrait():
    assert sample_portrait().shape == (512, 512, 3)


def test_no_half_written_clip_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("portraitnet.benchmarks.latency.clip.cv2.warpAffine", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_panning_clip(tmp_path / "clip.mp4", size=(72, 128), seconds=1)
    assert list(tmp_path.iterdir()) == []
