"""Animated GIF, PNG and WebP go through frame by frame, with their times and loops."""

import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.media import animation
from portraitnet.runtime.media.animation import AnimationReader, is_animation
from portraitnet.runtime.media.images import load_rgba
from portraitnet.runtime.process import run

TIMES = [50, 120, 200, 90]
BLUE = (32, 80, 160)


@pytest.fixture
def make_animation(tmp_path, person):
    """The green person, 4 pixels further to the right in each frame."""

    def make(name, alpha=None):
        pictures = [Image.fromarray(np.roll(person[0], 4 * index, 1)) for index in range(len(TIMES))]
        if alpha is not None:
            for picture in pictures:
                picture.putalpha(Image.fromarray(alpha))
        pictures[0].save(
            tmp_path / name, save_all=True, append_images=pictures[1:], duration=TIMES, loop=3, lossless=True
        )
        return tmp_path / name

    return make


def frames_of(path):
    with Image.open(path) as image:
        found = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            found.append((np.asarray(image.convert("RGBA")), image.info.get("duration")))
        return found, image.info.get("loop")


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_every_frame_gets_the_background_and_keeps_its_time(make_animation, segmenter, person, name):
    source = make_animation(name)
    (target,) = run([source], segmenter, background="#2050a0").written
    assert target.name == f"a-portrait{source.suffix}"
    found, loops = frames_of(target)
    assert [time for _, time in found] == TIMES
    assert loops == 3
    for index, (picture, _) in enumerate(found):
        mask = np.roll(person[1], 4 * index, 1)
        assert np.abs(picture[5, 5, :3].astype(int) - BLUE).max() < 12
        assert np.abs(picture[mask][:, :3].astype(int) - (0, 200, 0)).mean() < 30


@pytest.mark.parametrize("name", ["cut.webp", "cut.png", "cut.gif"])
def test_a_cut_out_is_transparent_where_the_background_was(make_animation, segmenter, person, tmp_path, name):
    run([make_animation("a.webp")], segmenter, tmp_path / name, background="none")
    found, _ = frames_of(tmp_path / name)
    assert len(found) == len(TIMES)
    for index, (picture, _) in enumerate(found):
        alpha = np.roll(picture[..., 3], -4 * index, 1)
        assert alpha[5, 5] == 0
        assert alpha[50, 40] == 255


def test_transparency_of_its_own_stays(make_animation, segmenter, tmp_path):
    alpha = np.full((60, 80), 255, np.uint8)
    alpha[:, 70:] = 0
    run([make_animation("a.png", alpha)], segmenter, tmp_path / "mask.png", output="mask")
    for picture, _ in frames_of(tmp_path / "mask.png")[0]:
        assert picture[:, 70:, :3].max() == 0
        assert picture[..., :3].max() == 255


def test_a_video_becomes_an_animation(make_clip, segmenter, tmp_path):
    run([make_clip(frames=6)], segmenter, tmp_path / "out.gif", background="#2050a0")
    found, loops = frames_of(tmp_path / "out.gif")
    assert sum(time for _, time in found) == 200  # 6 frames of 1/30 s, those alike in one
    assert loops == 0  # for ever
    assert np.abs(found[0][0][5, 5, :3].astype(int) - BLUE).max() < 12


def test_another_kind_of_file_takes_the_first_frame(make_animation, segmenter, tmp_path, caplog):
    run([make_animation("a.gif")], segmenter, tmp_path / "out.jpg")
    assert "only the first is used" in caplog.text
    assert len(frames_of(tmp_path / "out.jpg")[0]) == 1


def test_a_still_is_no_animation(tmp_path, person):
    for name in ("a.gif", "a.png", "a.webp"):
        Image.fromarray(person[0]).save(tmp_path / name)
        assert not is_animation(tmp_path / name)
    (tmp_path / "b.gif").write_bytes(b"GIF89a and then nothing")
    assert not is_animation(tmp_path / "b.gif")


def test_more_frames_than_memory_holds_are_refused(make_animation, make_clip, segmenter, tmp_path, monkeypatch):
    source, clip = make_animation("a.gif"), make_clip(frames=6)
    monkeypatch.setattr(animation, "MAX_PIXELS", 3 * 60 * 80)
    with pytest.raises(InputError, match=r"a\.gif: an animation holds at most 3 frames of 80x60; write a video"):
        AnimationReader(source)
    with pytest.raises(InputError, match=r"out\.gif: an animation holds at most 3 frames"):
        run([clip], segmenter, tmp_path / "out.gif")
    assert not (tmp_path / "out.gif").exists()


def test_a_file_that_ends_midway_is_refused(make_animation, segmenter, tmp_path):
    source = make_animation("a.webp")
    source.write_bytes(source.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"a\.webp is"):
        run([source], segmenter, tmp_path / "out.webp")
    assert not (tmp_path / "out.webp").exists()


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_a_file_cut_anywhere_is_read_or_refused(make_animation, tmp_path, name):
    whole = make_animation(name).read_bytes()
    path = tmp_path / f"cut-{name}"
    refused = 0
    for end in range(0, len(whole), max(1, len(whole) // 400)):
        path.write_bytes(whole[:end])
        try:
            is_animation(path)
            load_rgba(path)
        except InputError:
            refused += 1
    assert refused > 10
