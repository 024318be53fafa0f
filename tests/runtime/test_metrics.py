import numpy as np
import pytest

from portraitnet.runtime.metrics import (
    IGNORE,
    SegmentationScores,
    boundary_iou,
    edge_band_iou,
    flicker,
    ghosts,
    iou,
)


def test_iou_by_hand():
    a, b = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    a[0], b[0, 2:], b[1, 2:] = True, True, True  # 4 and 4 pixels, 2 shared
    assert iou(a, b) == pytest.approx(2 / 6)
    assert iou(~a & a, ~b & b) == 1.0


def test_boundary_iou_by_hand():
    # The diagonal of 30 x 40 is 50, so 2 % is a band of 1 pixel: outlines of squares of 10 and of 8, concentric.
    truth, inner = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    truth[10:20, 10:20] = True
    inner[11:19, 11:19] = True
    assert boundary_iou(truth, truth) == 1.0
    assert boundary_iou(inner, truth) == 0.0
    shifted = np.zeros_like(truth)
    shifted[10:20, 11:21] = True  # outlines of 36 pixels share the two long edges: 9 + 9
    assert boundary_iou(shifted, truth) == pytest.approx(18 / 54)


def test_a_mask_cut_by_the_edge_has_its_outline_there():
    whole = np.ones((30, 40), bool)
    hole = whole.copy()
    hole[1:-1, 1:-1] = False
    assert boundary_iou(whole, hole) == 1.0


def test_two_class_summary_by_hand():
    scores = SegmentationScores()
    truth = np.array([[0, 0, 1, 1]])
    scores.add("a", np.array([[0, 1, 1, 1]]), truth)  # person 2/3, background 1/2
    scores.add("b", np.array([[0, 0, 1, 0]]), truth)  # person 1/2, background 2/3
    summary = scores.summary()
    assert summary["fg_iou_per_image"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert summary["miou_2class_pooled"] == pytest.approx((3 / 5 + 3 / 5) / 2)
    assert summary["images"] == 2
    assert "miou" not in summary


def test_the_median_hardly_minds_a_wrong_truth():
    scores = SegmentationScores()
    for found in ([1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 1]):
        scores.add("a", np.array([found]), np.array([[1, 1, 1, 1]]))
    assert scores.summary()["fg_iou_median"] == pytest.approx(3 / 4)
    assert scores.summary()["fg_iou_per_image"] == pytest.approx(2 / 3)


def test_ignored_pixels_count_nowhere():
    scores = SegmentationScores()
    scores.add("a", np.array([[1, 1, 0, 0]]), np.array([[1, IGNORE, IGNORE, 0]]))
    assert scores.summary()["fg_iou_per_image"] == 1.0
    assert scores.confusion.sum() == 2


def test_many_classes_leave_out_what_never_occurs():
    scores = SegmentationScores(classes=4)
    scores.add("a", np.array([[0, 1, 2, 2]]), np.array([[0, 1, 1, 2]]))
    assert scores.iou_per_class() == pytest.approx([1, 1 / 2, 1 / 2, np.nan], nan_ok=True)
    assert scores.summary()["miou"] == pytest.approx(2 / 3)
    assert scores.summary()["fg_iou_per_image"] == 1.0  # any label above 0 is foreground


def test_wrong_use_is_refused():
    scores = SegmentationScores()
    with pytest.raises(ValueError, match="no picture"):
        scores.summary()
    with pytest.raises(ValueError, match="differ in size"):
        scores.add("a", np.zeros((2, 2), int), np.zeros((2, 3), int))


def test_each_class_has_iou_accuracy_dice_and_share_by_hand():
    scores = SegmentationScores(classes=4)
    truth = np.array([[0, 0, 0, 1, 1, 2, IGNORE]])
    scores.add("a", np.array([[0, 0, 1, 1, 0, 2, 3]]), truth)
    assert scores.iou_per_class()[:3] == pytest.approx([2 / 4, 1 / 3, 1])
    assert scores.accuracy_per_class()[:3] == pytest.approx([2 / 3, 1 / 2, 1])
    assert scores.dice_per_class()[:3] == pytest.approx([4 / 6, 2 / 4, 1])
    assert scores.share_per_class() == pytest.approx([3 / 6, 2 / 6, 1 / 6, 0])
    assert np.isnan([scores.iou_per_class()[3], scores.accuracy_per_class()[3], scores.dice_per_class()[3]]).all()
    summary = scores.summary()
    assert summary["mean_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert summary["mean_dice"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_overall_and_frequency_weighted_by_hand():
    scores = SegmentationScores.of(("background", "a", "b"))
    truth = np.array([[0, 0, 0, 1, 1, 2, IGNORE]])
    scores.add("a", np.array([[0, 0, 1, 1, 0, 2, 2]]), truth)
    summary = scores.summary()
    assert summary["overall_accuracy"] == pytest.approx(4 / 6)
    assert summary["freqw_iou"] == pytest.approx(3 / 6 * 2 / 4 + 2 / 6 * 1 / 3 + 1 / 6 * 1)
    portrait = SegmentationScores()
    portrait.add("a", np.array([[0, 1, 1]]), np.array([[0, 0, 1]]))
    assert portrait.summary()["overall_accuracy"] == pytest.approx(2 / 3)


def test_without_a_background_no_class_is_foreground():
    """Cityscapes' label 0 is the road: "foreground" would mean everything else."""
    scores = SegmentationScores.of(("road", "sky", "car"))
    scores.add("a", np.array([[0, 1, 1]]), np.array([[0, 1, 2]]))
    scores.add("b", np.array([[2, 2, 2]]), np.array([[0, 0, 2]]))
    assert not {"fg_iou_per_image", "fg_iou_median", "boundary_iou", "miou_2class_pooled"} & scores.summary().keys()
    assert scores.per_image == pytest.approx([2 / 3, 1 / 3])
    assert SegmentationScores.of(("bg", "shirt", "hair")).background
    assert SegmentationScores.of(("no one", "someone")).background  # of two classes the first is


def square(left):
    mask = np.zeros((100, 100), bool)
    mask[30:70, left : left + 40] = True
    return mask


def test_ghosts_are_half_transparent_pixels_far_from_the_outline():
    truth = np.zeros((60, 80), np.uint8)  # the margin is 2 pixels: 2 % of a diagonal of 100
    truth[:, 40:] = 1
    alpha = truth * 255
    assert ghosts(alpha, truth) == 0
    alpha[:, 38:42] = 128  # as soft as an outline may be
    assert ghosts(alpha, truth) == 0
    alpha[:, 37] = 128
    assert ghosts(alpha, truth) == pytest.approx(1 / 80)
    alpha[:, 37] = 40  # below 0.2: nearly background
    assert ghosts(alpha, truth) == 0
    alpha[:, 60:70], truth[:, 60:70] = 128, IGNORE
    assert ghosts(alpha, truth) == 0
    alpha[:, 70:72] = 215  # above 0.8: nearly person
    assert ghosts(alpha, truth) == 0
    alpha[:, 72:74] = 190
    assert ghosts(alpha, truth) == pytest.approx(2 / 70)


def test_flicker_is_the_change_where_the_truth_stands_still():
    truths = [square(30), square(30), square(35)]
    alphas = [mask.astype(np.float32) for mask in truths]
    assert flicker(alphas, truths) == 0  # what moves with the truth does not flicker
    alphas[1] = alphas[1].copy()
    alphas[1][:10] = 0.2  # far from the square, for one frame: a tenth of the picture, twice
    margin = 2 * 3 + 1  # 2 % of the diagonal of 141, on both sides
    still = 10_000 - 2 * (40 + margin - 1) * (5 + margin - 1)
    assert flicker(alphas, truths) == pytest.approx((0.2 * 1000 / 10_000 + 0.2 * 1000 / still) / 2, rel=1e-6)
    assert flicker([alphas[0]], truths[:1]) == 0


def test_edge_band_iou_looks_only_near_the_true_outline():
    truth = square(30)
    wrong_far_away = truth.copy()
    wrong_far_away[:15] = True  # more than 4 pixels (3 % of the diagonal) off
    wrong_far_away[45:55, 45:55] = False
    assert edge_band_iou(wrong_far_away, truth) == 1
    assert edge_band_iou(square(32), truth) < 0.9


def test_merged_scores_are_those_of_all_pictures():
    generator = np.random.default_rng(0)
    whole, parts = SegmentationScores(), [SegmentationScores(), SegmentationScores()]
    for index in range(5):
        truth, found = generator.integers(0, 2, (2, 12, 9))
        alpha = generator.integers(0, 256, (12, 9), np.uint8)
        for scores in (whole, parts[index % 2]):
            scores.add(str(index), found, truth, alpha)
    parts[0].merge(parts[1])
    assert sorted(parts[0].names) == whole.names
    assert parts[0].summary() == pytest.approx(whole.summary())
    assert len(parts[0].ghost) == 5
