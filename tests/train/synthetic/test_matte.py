import cv2
import numpy as np

from portraitnet.train.synthetic import matte, render_matte

SIZE = (96, 80)


def test_a_seed_is_a_matte_bit_for_bit():
    first, again, other = render_matte(3, SIZE), render_matte(3, SIZE), render_matte(4, SIZE)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first.alpha != other.alpha).any()
    assert first.image.shape == first.foreground.shape == (*SIZE, 3)
    assert first.background.shape == first.image.shape
    assert first.alpha.shape == first.contrast.shape == SIZE
    assert {part.dtype for part in first} == {np.dtype(np.uint8)}


def test_the_foreground_is_the_picture_where_nothing_shines_through():
    for seed in range(3):
        image, alpha, foreground, *_ = render_matte(seed, SIZE)
        inside = alpha == 255
        assert 0.05 < inside.mean() < 0.7
        assert np.abs(image[inside].astype(float) - foreground[inside]).mean() < 6  # grain and JPEG
        assert not foreground[alpha == 0].any()


def test_alpha_explains_the_picture_at_strands_before_an_even_background():
    """Light adds up before the tone curve, so half covered pixels lie between the two colours."""
    image, alpha, foreground, *_ = (part.astype(float) for part in render_matte(0, SIZE))
    soft = (alpha > 60) & (alpha < 200)
    assert soft.sum() > 30
    assert (np.abs(image - foreground)[soft].mean()) > (np.abs(image - foreground)[alpha == 255].mean())


def test_both_layers_composed_by_alpha_are_nearly_the_picture():
    """But for grain, JPEG, and light that adds up before the tone curve."""
    for seed in range(3):
        image, alpha, foreground, background, _ = (part.astype(float) for part in render_matte(seed, SIZE))
        share = alpha[..., None] / 255
        composed = share * foreground + (1 - share) * background
        assert np.abs(composed - image).mean() < 6
        soft = (alpha > 60) & (alpha < 200)
        cut = np.where(share > 0.5, foreground, background)
        assert np.abs(composed - image)[soft].mean() < 0.7 * np.abs(cut - image)[soft].mean()


def test_contrast_is_the_distance_of_the_layers_and_reaches_beyond_the_outline():
    for seed in range(3):
        _, alpha, foreground, background, contrast = (part.astype(float) for part in render_matte(seed, SIZE))
        apart = np.abs(foreground - background).mean(2)
        assert np.abs(apart - contrast)[alpha > 0].max() <= 1
        beside = (alpha == 0) & (cv2.dilate(alpha, np.ones((5, 5))) > 250)
        nearest = cv2.dilate(np.where(alpha[..., None] > 250, foreground, 0), np.ones((5, 5)))
        expected = np.abs(nearest - background).mean(2)
        assert np.abs(expected - contrast)[beside].mean() < 0.5 * np.abs(apart - contrast)[beside].mean()


def test_strands_stand_out_from_the_outline(monkeypatch):
    strands = render_matte(5, SIZE).alpha.astype(int)
    monkeypatch.setattr(matte, "_strands", lambda rng, roots, person, hair, light: (0 * light[..., 0], light))
    without = render_matte(5, SIZE).alpha
    assert ((strands > without + 40) & (without == 0)).sum() > 15
