from fractions import Fraction

import numpy as np
import pytest
import skimage.data

from portraitnet.runtime.compositing.composite import (
    Blur,
    Clip,
    Cutout,
    Picture,
    blend,
    blur_background,
    cover,
    cut_out,
    parse_background,
    replace_background,
)
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.media.images import save_image
from portraitnet.runtime.media.video import Frame


@pytest.fixture
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[::3, ::2])  # 171 x 256


@pytest.fixture
def alpha(photo):
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    return np.clip(1.5 - np.hypot(rows - 85, columns - 120) / 40, 0, 1).astype(np.float32)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_blend_is_the_formula_to_a_level(photo, alpha, as_bytes):
    other = photo[::-1].copy()
    expected = alpha[..., None] * photo + (1 - alpha[..., None]) * other
    given = np.round(alpha * 255).astype(np.uint8) if as_bytes else alpha
    result = blend(photo, other, given)
    assert result.dtype == np.uint8
    assert np.abs(result - expected).max() <= 1.6


def test_blend_leaves_its_inputs_alone(photo, alpha):
    other = photo[::-1].copy()
    image_before, other_before = photo.copy(), other.copy()
    blend(photo, other, alpha)
    assert (photo == image_before).all()
    assert (other == other_before).all()


@pytest.mark.parametrize(("value", "wins"), [(0, 1), (255, 0)])
def test_extremes_are_exact(photo, value, wins):
    other = photo[::-1].copy()
    assert (blend(photo, other, np.full(photo.shape[:2], value, np.uint8)) == (photo, other)[wins]).all()


@pytest.mark.parametrize("strength", [0.1, 1, 2, 8])
def test_blur_does_not_bleed_the_person(strength):
    image = np.full((180, 320, 3), 40, np.uint8)  # a flat dark scene
    alpha = np.zeros((180, 320), np.uint8)
    image[60:180, 110:210] = 250
    alpha[60:180, 110:210] = 255
    result = blur_background(image, alpha, strength)
    assert (result[alpha == 255] == 250).all()
    assert np.abs(result[alpha == 0].astype(int) - 40).max() <= 4  # of a contrast of 210


def test_blur_smooths_the_scene_and_more_strength_more(photo):
    nobody = np.zeros(photo.shape[:2], np.uint8)
    rough = [np.abs(np.diff(blur_background(photo, nobody, s).astype(int), axis=1)).mean() for s in (0.5, 2, 8)]
    assert np.abs(np.diff(photo.astype(int), axis=1)).mean() > rough[0] > rough[1] > rough[2]
    assert blur_background(photo, nobody).mean() == pytest.approx(photo.mean(), abs=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (7, 5)])
def test_tiny_and_thin_pictures(size):
    image, alpha = np.full((*size, 3), 77, np.uint8), np.zeros(size, np.uint8)
    assert (blur_background(image, alpha) == 77).all()
    assert replace_background(image, alpha, np.zeros((30, 40, 3), np.uint8)).shape == image.shape


@pytest.mark.parametrize("shape", [(100, 300), (300, 100), (50, 50)])
def test_cover_fills_and_keeps_the_middle(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    picture[shape[0] // 2, shape[1] // 2] = 255
    result = cover(picture, (64, 96))
    assert result.shape == (64, 96, 3)
    lit = np.argwhere(result[..., 0] > 0)
    assert np.abs(lit.mean(0) - (32, 48)).max() < 3


def test_cover_by_a_thread_does_not_grow_to_gigabytes():
    assert cover(np.full((1, 20_000, 3), 5, np.uint8), (640, 960)).min() == 5


def test_backgrounds_by_name(photo, alpha, tmp_path):
    assert isinstance(parse_background("blur"), Blur)
    assert parse_background("blur:5").strength == 5
    assert isinstance(parse_background("none"), Cutout)
    for spec, colour in (("#00b140", (0, 177, 64)), ("teal", (0, 128, 128)), ("rgb(1,2,3)", (1, 2, 3))):
        result = parse_background(spec).compose(photo, alpha)
        assert (result[alpha == 0] == colour).all()
        assert (result[alpha == 1] == photo[alpha == 1]).all()
    save_image(tmp_path / "bg.png", photo[::-1].copy())
    scene = parse_background(str(tmp_path / "bg.png"))
    assert isinstance(scene, Picture)
    assert (scene.compose(photo, alpha)[alpha == 0] == photo[::-1][alpha == 0]).all()
    assert scene.compose(photo[:50], alpha[:50]).shape == (50, 256, 3)  # another size after the first


def test_cut_out(photo, alpha):
    result = cut_out(photo, alpha)
    assert result.shape == (*photo.shape[:2], 4)
    shown = result[..., 3] > 0
    assert (result[shown, :3] == photo[shown]).all()
    assert not result[~shown].any()  # what was removed is not in the file
    assert (result[..., 3] == np.round(alpha * 255)).all()


@pytest.mark.parametrize(
    "spec", ["", "blurr", "#12", "blur:0", "blur:x", "blur:nan", "blur:99", "gone.jpg", "gone.mp4"]
)
def test_unknown_backgrounds(spec):
    with pytest.raises(InputError):
        parse_background(spec)


def test_a_clip_plays_at_its_own_speed_and_loops(tmp_path):
    class Two:
        """A black and a white frame of half a second each, which start at 5 s."""

        def __iter__(self):
            for index in range(2):
                yield Frame(np.full((4, 4, 3), index * 255, np.uint8), 10 + index, Fraction(1, 2), 0.5)

    clip = Clip(Two())
    nobody = np.zeros((8, 8), np.uint8)
    seen = [int(clip.compose(np.zeros((8, 8, 3), np.uint8), nobody, t)[0, 0, 0]) for t in np.arange(0.05, 3, 0.25)]
    assert seen == [0, 0, 255, 255] * 3


def test_a_jump_in_time_does_not_replay_every_round():
    class Short:
        """Two frames of a tenth of a second that count how often they are decoded."""

        rounds = 0

        def __iter__(self):
            self.rounds += 1
            for index in range(2):
                yield Frame(np.full((4, 4, 3), index * 255, np.uint8), index, Fraction(1, 10), 0.1)

    video = Short()
    clip = Clip(video)
    image, nobody = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    seen = [int(clip.compose(image, nobody, t)[0, 0, 0]) for t in (0.05, 36_000.05, 36_000.15, 36_000.25)]
    assert seen == [0, 0, 255, 0]
    assert video.rounds < 6
