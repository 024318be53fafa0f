"""The matte metrics against an implementation by SciPy and scikit-image, written from the definitions."""

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest

from portraitnet.runtime.matte_metrics import METRICS, matte_errors, unknown_band

ndimage = pytest.importorskip("scipy.ndimage")
measure = pytest.importorskip("skimage.measure")


def disc(height=60, width=80, soft=3.0, centre=(28, 42), radius=18):
    rows, columns = np.mgrid[:height, :width]
    distance = radius - np.hypot(rows - centre[0], columns - centre[1])
    return (255 * np.clip(0.5 + distance / (2 * soft), 0, 1)).astype(np.uint8)


def noisy(seed=0):
    rng = np.random.default_rng(seed)
    alpha = disc(centre=(30, 40), radius=19, soft=5).astype(float) + rng.normal(0, 25, (60, 80))
    alpha[5:12, 5:12] = 230  # a piece that hangs together with nothing
    return np.clip(alpha, 0, 255).astype(np.uint8)


def by_the_definitions(alpha, truth, where):
    a, t = alpha / 255, truth / 255
    size = math.ceil(1.4 * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * 1.4 * 0.01)))
    y, x = np.mgrid[-size : size + 1, -size : size + 1]
    gauss = np.exp(-(x**2 + y**2) / (2 * 1.4**2)) / (2 * math.pi * 1.4**2)
    hx = -x * gauss / 1.4**2
    hx /= np.sqrt((hx**2).sum())

    def gradient(picture):
        return np.hypot(*(ndimage.convolve(picture, h, mode="nearest") for h in (hx, hx.T)))

    level = np.full(a.shape, -1.0)
    thresholds = np.arange(0, 1.1, 0.1)
    for before, threshold in pairwise(thresholds):
        both = np.float32(a) >= np.float32(threshold), np.float32(t) >= np.float32(threshold)
        regions = measure.label(both[0] & both[1], connectivity=1)
        sizes = np.bincount(regions.ravel(), minlength=2)
        largest = (regions == sizes[1:].argmax() + 1) & (regions > 0)
        level[(level == -1) & ~largest] = before
    level[level == -1] = 1
    phi = [1 - (p - level) * (p - level >= 0.15) for p in (a, t)]
    return {
        "sad": np.abs(a - t)[where].sum() / 1000,
        "mse": ((a - t) ** 2)[where].mean(),
        "grad": ((gradient(a) - gradient(t)) ** 2)[where].sum() / 1000,
        "conn": np.abs(phi[0] - phi[1])[where].sum() / 1000,
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_against_the_definitions(seed):
    alpha, truth = noisy(seed), disc()
    found = matte_errors(alpha, truth)
    for ending, where in (("", np.ones(truth.shape, bool)), ("_band", unknown_band(truth))):
        for name, value in by_the_definitions(alpha, truth, where).items():
            assert value > 0
            assert found[name + ending] == pytest.approx(value, rel=2e-3), name + ending


def test_by_hand():
    truth = np.zeros((40, 50), np.uint8)
    truth[10:30, 10:40] = 255
    alpha = truth.copy()
    alpha[15:20, 15:25] = 127.5  # 50 pixels half lost
    found = matte_errors(alpha, truth)
    assert found["sad"] == pytest.approx(0.05 * 128 / 255)
    assert found["mse"] == pytest.approx(50 * (128 / 255) ** 2 / 2000)
    assert set(found) == {name + ending for name in METRICS for ending in ("", "_band")}
    assert max(matte_errors(truth, truth).values()) < 1e-9


def test_connectivity_minds_a_piece_apart_more_than_the_same_piece_attached():
    truth = disc()
    apart, attached = truth.copy(), truth.copy()
    apart[2:6, 2:6] = 255
    attached[26:30, 61:65] = 255
    assert matte_errors(apart, truth)["conn"] > matte_errors(attached, truth)["conn"]


def test_the_band_holds_every_soft_pixel_and_the_outline_of_a_hard_matte():
    soft = disc(soft=4)
    assert unknown_band(soft)[(soft > 0) & (soft < 255)].all()
    hard = np.where(soft > 127, 255, 0).astype(np.uint8)
    outline = cv2.morphologyEx(hard, cv2.MORPH_GRADIENT, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > 0
    assert unknown_band(hard)[outline].all()
    assert not unknown_band(hard)[0, 0]


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="one size"):
        matte_errors(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
