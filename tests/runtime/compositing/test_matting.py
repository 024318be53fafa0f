import sys
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from portraitnet.runtime.compositing.matting import check_matting, matted_alpha, own_colours, trimap_of
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.matte_metrics import matte_errors

matting = pytest.mark.skipif(find_spec("pymatting") is None, reason="pymatting is an extra")
RED, GREEN = np.array((200, 60, 50)), np.array((40, 150, 70))


def hairy(height=90, width=120):
    """A red person with strands before green: picture and true alpha."""
    fine = np.zeros((4 * height, 4 * width), np.uint8)
    cv2.ellipse(fine, (2 * width, 3 * height), (width, 2 * height), 0, 0, 360, 255, -1)
    rng = np.random.default_rng(0)
    for angle in np.linspace(-2.6, -0.5, 40):
        start = np.array([2 * width + 0.9 * width * np.cos(angle), 3 * height + 1.9 * height * np.sin(angle)])
        end = start + rng.uniform(20, 45) * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(fine, *(tuple(int(v) for v in p) for p in (start, end)), 255, 3)
    alpha = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    share = alpha[..., None] / 255
    return np.rint(share * RED + (1 - share) * GREEN + rng.normal(0, 1, (height, width, 3))).astype(np.uint8), alpha


def without_strands(alpha):
    """What a network would say: no strands, and a soft outline."""
    return cv2.GaussianBlur(cv2.morphologyEx(alpha, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), (0, 0), 2.5)


def test_a_trimap_is_sure_away_from_the_outline_alone():
    alpha = np.zeros((100, 100), np.uint8)
    alpha[:, 50:] = 255
    trimap = trimap_of(alpha)
    assert (trimap[:, :46] == 0).all()
    assert (trimap[:, 53:] == 255).all()
    assert (trimap[:, 48:51] == 128).all()
    assert (trimap_of(np.full((50, 50), 128, np.uint8)) == 128).all()


@matting
def test_matting_finds_strands_that_the_network_missed():
    image, truth = hairy()
    before = without_strands(truth)
    after = matted_alpha(image, before)
    assert after.dtype == np.uint8
    assert after.shape == truth.shape
    errors, found = matte_errors(before, truth), matte_errors(after, truth)
    assert found["sad"] < 0.75 * errors["sad"]
    assert found["grad"] < 0.75 * errors["grad"]


@matting
def test_a_sure_network_is_followed_as_far_as_its_weight_goes(monkeypatch):
    image, truth = hairy()
    prior = without_strands(truth)
    distances = []
    for weight in (0.0, 0.01, 1e4):
        monkeypatch.setattr("portraitnet.runtime.compositing.matting._PRIOR", weight)
        distances.append(np.abs(matted_alpha(image, prior).astype(int) - prior)[prior != 128].mean())
    assert distances[0] > distances[1] > 2 * distances[2]


@matting
@pytest.mark.parametrize("value", [0, 255, 100])
def test_an_alpha_without_an_outline_stays_as_it_is(value):
    alpha = np.full((40, 60), value, np.uint8)
    assert (matted_alpha(np.zeros((40, 60, 3), np.uint8), alpha) == alpha).all()


@matting
def test_a_large_picture_is_solved_small(monkeypatch):
    solved = []
    monkeypatch.setattr(
        "portraitnet.runtime.compositing.matting._solve", lambda image, trimap, prior: solved.append(image) or prior
    )
    alpha = np.zeros((30, 3000), np.uint8)
    alpha[:, 1500:] = 255
    assert matted_alpha(np.zeros((30, 3000, 3), np.uint8), alpha).shape == (30, 3000)
    assert solved[0].shape == (10, 1024, 3)


@matting
def test_own_colours_are_the_persons_where_the_background_shines_through():
    image, alpha = hairy()
    own = own_colours(image, alpha).astype(int)
    soft = (alpha > 60) & (alpha < 200)
    assert np.abs(own[soft] - RED).mean() < 0.4 * np.abs(image[soft].astype(int) - RED).mean()
    assert (own[alpha == 0] == image[alpha == 0]).all()


def test_a_missing_extra_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(InputError, match=r"pip install 'portraitnet\[matting\]'"):
        check_matting()
