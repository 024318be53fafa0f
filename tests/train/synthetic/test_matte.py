import numpy as np

from portraitnet.train.synthetic import matte, render_matte

SIZE = (96, 80)


def test_a_seed_is_a_matte_bit_for_bit():
    first, again, other = render_matte(3, SIZE), render_matte(3, SIZE), render_matte(4, SIZE)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first.alpha != other.alpha).any()
    assert first.image.shape == first.foreground.shape == (*SIZE, 3)
    assert first.alpha.shape == SIZE
    assert {part.dtype for part in first} == {np.dtype(np.uint8)}


def test_the_foreground_is_the_picture_where_nothing_shines_through():
    for seed in range(3):
        image, alpha, foreground = render_matte(seed, SIZE)
        inside = alpha == 255
        assert 0.05 < inside.mean() < 0.7
        assert np.abs(image[inside].astype(float) - foreground[inside]).mean() < 6  # grain and JPEG
        assert not foreground[alpha == 0].any()


def test_alpha_explains_the_picture_at_strands_before_an_even_background():
    """Light adds up before the tone curve, so half covered pixels lie between the two colours."""
    image, alpha, foreground = (part.astype(float) for part in render_matte(0, SIZE))
    soft = (alpha > 60) & (alpha < 200)
    assert soft.sum() > 30
    assert (np.abs(image - foreground)[soft].mean()) > (np.abs(image - foreground)[alpha == 255].mean())


def test_strands_stand_out_from_the_outline(monkeypatch):
    strands = render_matte(5, SIZE).alpha.astype(int)
    monkeypatch.setattr(matte, "_strands", lambda rng, roots, person, hair, light: (0 * light[..., 0], light))
    without = render_matte(5, SIZE).alpha
    assert ((strands > without + 40) & (without == 0)).sum() > 15
