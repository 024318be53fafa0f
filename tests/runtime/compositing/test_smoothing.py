import numpy as np
import pytest

from portraitnet.runtime.compositing.smoothing import FOLLOW, MOTION, TREMBLE, AlphaSmoother


def field(value):
    return np.full((6, 8), value, np.float32)


def test_trembling_is_held_still_and_jumps_pass_at_once():
    smooth = AlphaSmoother()
    assert smooth(field(0.5))[0, 0] == 0.5  # the first is taken as it is
    rng = np.random.default_rng(0)
    seen = np.array([smooth(field(0.5 + rng.uniform(-0.04, 0.04))) for _ in range(200)])
    assert np.abs(np.diff(seen[:, 0, 0])).mean() < 0.15 * 0.04  # of the input: two thirds of 0.04
    jumped = smooth(field(1.0))
    assert jumped[0, 0] == pytest.approx(1.0, abs=0.01)


def test_a_small_lasting_change_arrives_slowly_and_as_fast_at_any_frame_rate():
    def after_a_second(rate):
        smooth = AlphaSmoother()
        smooth(field(0.50))
        return [smooth(field(0.54), 1 / rate)[0, 0] for _ in range(rate)][-1]

    once = AlphaSmoother()
    once(field(0.50))
    assert once(field(0.54))[0, 0] == pytest.approx(0.50 + FOLLOW * 0.04)
    assert after_a_second(30) == pytest.approx(0.54 - 0.04 * (1 - FOLLOW) ** 30, abs=1e-5)
    assert after_a_second(60) == pytest.approx(after_a_second(30), abs=1e-5)
    assert after_a_second(15) == pytest.approx(after_a_second(30), abs=1e-5)


@pytest.mark.parametrize("elapsed", [0.0, -1.0, 3.0])
def test_after_a_pause_or_a_cut_nothing_is_remembered(elapsed):
    smooth = AlphaSmoother()
    smooth(field(0.2))
    assert (smooth(field(0.24), elapsed) == field(0.24)).all()
    smooth.reset()
    assert (smooth(field(0.3)) == field(0.3)).all()
    assert smooth(np.zeros((3, 3), np.float32)).shape == (3, 3)  # another size is another clip


def test_alpha_stays_within_its_range_and_the_caller_keeps_his_arrays():
    smooth, rng = AlphaSmoother(), np.random.default_rng(0)
    for _ in range(50):
        given = rng.random((6, 8), np.float32)
        kept = given.copy()
        result = smooth(given)
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 1
        result[:] = 9
        np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize(("share", "motion"), [(0.0, 0.0), (0.25, 0.15625), (0.5, 0.5), (1.0, 1.0)])
def test_between_trembling_and_motion_the_rate_rises_along_a_smoothstep(share, motion):
    change = TREMBLE + share * (MOTION - TREMBLE)
    smooth = AlphaSmoother()
    smooth(field(0.2))
    expected = 0.2 + (FOLLOW + (1 - FOLLOW) * motion) * change
    assert smooth(field(0.2 + change))[0, 0] == pytest.approx(expected, abs=1e-5)
