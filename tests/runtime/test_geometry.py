import cv2
import numpy as np
import pytest

from portraitnet.runtime.geometry import FILL, PAD_VALUE, STRETCH, Letterbox, resize

SOURCES = [(720, 1280), (1280, 720), (224, 224), (1, 1), (20_000, 1), (1, 20_000), (333, 77), (31, 32), (2, 3)]
TARGETS = [(224, 224), (144, 256), (256, 144), (32, 512)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_fits_inside_centred_and_keeps_the_shape(source, target):
    box = Letterbox.fit(source, target)
    assert box.height == target[0] or box.width == target[1]
    assert abs(target[0] - box.height - 2 * box.top) <= 1
    assert abs(target[1] - box.width - 2 * box.left) <= 1
    scale = min(target[0] / source[0], target[1] / source[1])
    assert abs(box.height - max(1, source[0] * scale)) <= 0.5 + 1e-9
    assert abs(box.width - max(1, source[1] * scale)) <= 0.5 + 1e-9


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_apply_and_undo_have_the_right_sizes_and_pad(source, target):
    box = Letterbox.fit(source, target)
    canvas = box.apply(np.full((*source, 3), 10, np.uint8))
    assert canvas.shape == (*target, 3)
    assert (box.content(canvas) == 10).all()
    assert (canvas == PAD_VALUE).all(-1).sum() == target[0] * target[1] - box.height * box.width
    assert box.undo(canvas).shape == (*source, 3)
    assert (box.undo(canvas) == 10).all()  # nothing of the padding comes back


@pytest.mark.parametrize(("source", "target"), [((720, 1280), (224, 224)), ((300, 200), (256, 144))])
def test_round_trip_keeps_a_smooth_picture_in_place(source, target):
    rows, columns = np.mgrid[: source[0], : source[1]].astype(np.float32)
    smooth = (rows / source[0] + columns / source[1]) / 2
    box = Letterbox.fit(source, target)
    small = box.apply((smooth[..., None] * 255).astype(np.uint8).repeat(3, -1))
    back = box.undo(small[..., 0].astype(np.float32) / 255)
    assert np.abs(back - smooth).max() < 0.01


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_pictures_may_be_stretched_as_far_as_the_geometry_goes(source, target):
    box = Letterbox.fit(source, target, STRETCH)
    tall, wide = box.height / source[0], box.width / source[1]
    assert box.height == target[0] or box.width == target[1]
    if min(box.height, box.width) > 20:
        assert 1 / 1.5 - 0.05 <= tall / wide <= 1.5 + 0.05
    canvas = Letterbox.fit(source, target, FILL).apply(np.full((*source, 3), 10, np.uint8))
    assert canvas.shape == (*target, 3)
    assert (canvas == 10).all()
    assert box.undo(box.apply(np.full((*source, 3), 10, np.uint8))).shape == (*source, 3)


def test_a_photograph_of_three_by_two_fills_a_square_and_a_wide_frame_keeps_bars():
    square = (240, 240)
    for source, height in (((300, 200), 240), ((200, 300), 240), ((200, 400), 180), ((200, 600), 120)):
        box = Letterbox.fit(source, square, STRETCH)
        assert (box.height, box.width) == (height, 240)


@pytest.mark.parametrize("turn", [False, True])
def test_a_side_that_shrinks_is_averaged_although_the_other_grows(turn):
    stripes = np.zeros((300, 20), np.uint8)
    stripes[::2] = 200  # every other row: any sample that is no mean is 0 or 200
    small = resize(stripes.T if turn else stripes, (60, 60))
    assert small.shape == (60, 60)
    assert np.abs(small.astype(int) - 100).max() <= 20


def test_mask_labels_are_never_mixed():
    mask = np.random.default_rng(0).choice([0, 7, 255], (50, 90)).astype(np.uint8)
    box = Letterbox.fit(mask.shape, (64, 64))
    out = box.apply_mask(mask, fill=3)
    assert set(np.unique(box.content(out))) <= {0, 7, 255}
    assert (out[0] == 3).all()


@pytest.mark.parametrize("target", [(61, 61), (340, 340)])
def test_a_mask_lies_where_its_picture_lies(target):
    mask = np.zeros((200, 200), np.uint8)
    mask[40:120, 60:150] = 255
    box = Letterbox.fit(mask.shape, target)

    def centre(weights):
        rows, columns = np.mgrid[: target[0], : target[1]]
        return [float((axis * weights).sum() / weights.sum()) for axis in (rows, columns)]

    picture = box.apply(mask[..., None])[..., 0].astype(float)
    assert centre(box.apply_mask(mask).astype(float)) == pytest.approx(centre(picture), abs=0.2)


def test_same_size_is_untouched():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert (Letterbox.fit((64, 64), (64, 64)).apply(image) == image).all()
    assert resize(image, (64, 64)) is image


def test_zero_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Letterbox.fit((0, 5), (32, 32))


@pytest.mark.parametrize("size", [(20, 30), (90, 70)])
def test_scores_of_many_classes_are_resized_as_each_alone(size):
    scores = np.random.default_rng(0).random((40, 50, 21), np.float32)
    together = resize(scores, size)
    assert together.shape == (*size, 21)
    for channel in (0, 3, 4, 20):
        np.testing.assert_allclose(together[..., channel], resize(scores[..., channel], size), atol=1e-6)


def test_a_large_picture_is_shrunk_like_a_small_one():
    """Halving and bilinear steps are for speed; what comes out is the mean of the same areas to a byte or so."""
    for source in ((720, 1280), (719, 1279), (480, 640), (1081, 1919)):
        picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (*source, 3), np.uint8), (0, 0), 3)
        for size in ((126, 224), (216, 256), (144, 256), (189, 224), (256, 256), (400, 600)):
            plain = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
            difference = np.abs(resize(picture, size).astype(int) - plain)
            assert difference.max() <= 6, (source, size)
            assert difference.mean() <= 0.8, (source, size)


@pytest.mark.parametrize("target", [(144, 256), (256, 256), (168, 224), (200, 300), (224, 224)])
@pytest.mark.parametrize("source", [(480, 640), (720, 1280), (721, 1279), (1080, 1920)])
def test_no_ratio_waits_for_the_slow_mean_of_areas(source, target, monkeypatch):
    resized, calls = cv2.resize, []

    def record(image, size, **options):
        ratios = image.shape[0] / size[1], image.shape[1] / size[0]
        calls.append((options["interpolation"], ratios))
        return resized(image, size, **options)

    monkeypatch.setattr(cv2, "resize", record)
    resize(np.zeros((*source, 3), np.uint8), target)
    assert all(way == cv2.INTER_LINEAR or ratios == (2, 2) for way, ratios in calls)


def test_halving_a_picture_again_and_again_averages_the_same_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    for size in ((180, 320), (90, 160), (60, 320)):
        plain = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(resize(picture, size).astype(int) - plain).max() <= 2


def test_labels_around_a_mask_are_background():
    box = Letterbox.fit((4, 8), (16, 16))
    found = box.apply_mask(np.ones((4, 8), np.uint8))
    assert found[box.top : box.top + box.height].all()
    assert not found[: box.top].any()
    assert not found[box.top + box.height :].any()
    assert box.top > 0
