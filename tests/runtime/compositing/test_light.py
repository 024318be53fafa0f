import numpy as np
import pytest

from portraitnet.runtime.compositing.composite import Blur, Cutout, Picture, blur_background
from portraitnet.runtime.compositing.disc import disc_blur, disc_kernel, from_light, to_light
from portraitnet.runtime.compositing.light import compose, wrapped_in_light
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.process import run

SIZE = (120, 160)


@pytest.fixture
def alpha():
    alpha = np.zeros(SIZE, np.uint8)
    alpha[:, 60:] = 255
    return alpha


def plain(*colour):
    return np.full((*SIZE, 3), colour, np.uint8)


def test_light_falls_on_the_outline_and_not_far_inside(alpha):
    person = plain(100, 100, 100)
    lit = wrapped_in_light(person, alpha, plain(255, 0, 0), 1.0).astype(int)
    assert (lit[..., 1:] == 100).all()  # red light alone
    assert (lit[:, 80:, 0] == 100).all()
    assert lit[60, 60, 0] > 140
    assert (np.diff(lit[60, 60:80, 0]) <= 0).all()
    half = wrapped_in_light(person, alpha, plain(255, 0, 0), 0.5).astype(int)
    assert half[60, 60, 0] - 100 == pytest.approx((lit[60, 60, 0] - 100) / 2, abs=1.5)


def test_the_screen_by_hand():
    """Far from the person, light of 102 (of 255) at half strength leaves four fifths of the darkness."""
    lit = wrapped_in_light(plain(55, 155, 255), np.zeros(SIZE, np.uint8), plain(102, 102, 102), 0.5)
    assert lit[60, 80].tolist() == [95, 175, 255]


def test_darkness_lights_nothing_and_a_cut_out_has_no_light(alpha):
    person = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    assert (wrapped_in_light(person, alpha, plain(0, 0, 0), 1.0) == person).all()
    for scene in (Cutout(), Picture(plain(9, 200, 30)), Blur()):
        assert (compose(scene, person, alpha) == scene.compose(person, alpha)).all()
    assert (compose(Cutout(), person, alpha, wrap=1.0) == Cutout().compose(person, alpha)).all()
    assert (compose(Blur(), person, alpha, wrap=1.0) != Blur().compose(person, alpha)).any()


@pytest.mark.parametrize("radius", [0.3, 1.0, 4.5, 12.0])
def test_a_disc_spreads_half_its_radius(radius):
    kernel = disc_kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert (kernel == kernel[::-1]).all()
    assert (kernel == kernel.T).all()
    places = np.arange(len(kernel)) - len(kernel) // 2
    if radius > 1:
        assert np.sqrt((kernel.sum(0) * places**2).sum()) == pytest.approx(radius / 2, rel=0.05)


def test_a_point_of_light_becomes_an_even_disc():
    light = np.zeros((41, 41), np.float32)
    light[20, 20] = 1
    found = disc_blur(light, 3.0)  # radius 6
    rows, columns = np.mgrid[:41, :41]
    distance = np.hypot(rows - 20, columns - 20)
    assert np.ptp(found[distance < 5]) < 1e-6
    assert found[distance < 5].min() == pytest.approx(1 / (np.pi * 36), rel=0.02)
    assert np.abs(found[distance > 7.1]).max() < 1e-9


def test_light_and_back():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (from_light(to_light(values)) == values).all()


def test_the_disc_takes_no_colour_from_the_person_and_keeps_bright_spots_bright(alpha):
    image = plain(90, 90, 90)
    image[alpha > 0] = (250, 10, 10)
    found = blur_background(image, alpha, 3.0, "disc").astype(int)
    assert np.abs(found[alpha == 0] - 90).max() <= 2
    assert (found[alpha == 255] == (250, 10, 10)).all()
    spots = plain(20, 20, 20)
    spots[20::30, 15:50:30] = 255
    soft, disc = (blur_background(spots, alpha, 2.0, shape)[:, :45].astype(int) for shape in ("gaussian", "disc"))
    assert disc.max() > soft.max() + 5


def test_large_pictures_are_lit_too(tmp_path, segmenter, person, monkeypatch):
    from portraitnet.runtime.media.images import load_image, save_image

    save_image(tmp_path / "a.png", person[0])
    arguments = {"background": "#ff8000", "light_wrap": 1.0}
    run([tmp_path / "a.png"], segmenter, tmp_path / "small.png", **arguments)
    run([tmp_path / "a.png"], segmenter, tmp_path / "unlit.png", background="#ff8000")
    monkeypatch.setattr("portraitnet.runtime.process.LARGE", 1)
    run([tmp_path / "a.png"], segmenter, tmp_path / "large.png", **arguments)
    small, unlit, large = (load_image(tmp_path / f"{name}.png").astype(int) for name in ("small", "unlit", "large"))
    assert np.abs(small - large).max() <= 2
    assert (small - unlit).max() > 20


def test_an_unknown_shape_is_refused(tmp_path, segmenter, person):
    from portraitnet.runtime.media.images import save_image

    save_image(tmp_path / "a.png", person[0])
    with pytest.raises(InputError, match="none of gaussian, disc"):
        run([tmp_path / "a.png"], segmenter, tmp_path / "b.png", blur_shape="star")
