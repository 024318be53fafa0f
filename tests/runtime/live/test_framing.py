import numpy as np
import pytest

from portraitnet.runtime.live.framing import AutoFrame, Crop, crop_for, cut

SIZE = (90, 160)


def person(left, right, top, size=SIZE):
    """Alpha of somebody from `top` to the lower edge."""
    alpha = np.zeros(size, np.uint8)
    alpha[top:, left:right] = 255
    return alpha


def test_the_crop_shows_the_person_from_above_the_head():
    crop = crop_for(person(100, 120, 50))
    top, bottom = crop.y - crop.side / 2, crop.y + crop.side / 2
    assert 0.45 <= crop.side < 0.7
    assert top < 50 / 90 - 0.04
    assert bottom == pytest.approx(1, abs=0.15)
    assert crop.x + crop.side / 2 <= 1
    assert crop.x - crop.side / 2 < 100 / 160 < 120 / 160 < crop.x + crop.side / 2


def test_nobody_and_somebody_near_are_shown_whole():
    assert crop_for(np.zeros(SIZE, np.uint8)) == Crop()
    assert crop_for(person(10, 150, 2)).side == 1.0


def test_a_cut_is_where_the_crop_says():
    rows, columns = np.mgrid[:90, :160].astype(np.float32)
    picture = np.dstack([rows, columns, rows]).astype(np.uint8)
    found = cut(picture, Crop(0.6, 0.5, 0.5)).astype(int)
    assert found.shape == picture.shape
    assert found[45, 80].tolist() == pytest.approx([45, 96, 45], abs=1)
    assert found[0, 0].tolist() == pytest.approx([22, 56, 22], abs=1)
    assert cut(picture, Crop()) is picture


def test_the_crop_moves_slowly_and_arrives():
    frame, alpha = AutoFrame(), person(100, 125, 45)
    image = np.zeros((*SIZE, 3), np.uint8)
    image[45:, 100:125] = 200
    sides = []
    for number in range(150):
        picture, mask = frame(image, alpha, number / 30)
        sides.append((mask > 127).mean())
        assert ((picture[..., 0] > 100) == (mask > 127)).mean() > 0.99  # the mask stays on the person
    assert sides[0] == (alpha > 127).mean()
    assert max(np.diff(sides)) < 0.02
    assert sides[-1] > 1.8 * sides[0]
    assert sides[-1] - sides[-2] < 1e-3


def test_small_moves_are_not_followed():
    frame, image = AutoFrame(), np.zeros((*SIZE, 3), np.uint8)
    for number in range(100):
        frame(image, person(80, 110, 40), number / 10)
    before = frame._shown
    for number in range(100, 200):
        frame(image, person(80 + number % 2, 110 + number % 2, 40), number / 10)
    assert frame._shown.side == pytest.approx(before.side, abs=1e-4)
    assert frame._shown.x == pytest.approx(before.x, abs=1e-4)
