import math

import pytest
import torch

from portraitnet.runtime.metrics import IGNORE
from portraitnet.train.losses import (
    consistency_loss,
    focal_edge_loss,
    pixel_loss,
    portrait_losses,
    soft_dice_loss,
    soft_jaccard_loss,
)
from portraitnet.train.models import Logits, PortraitNetSpec, build_model
from portraitnet.train.recipe import LossSpec


def test_consistency_is_kl_averaged_over_all_elements_and_spares_the_teacher():
    student = torch.tensor([[[[0.0]], [[0.0]]]], requires_grad=True)  # 0.5, 0.5
    teacher = torch.tensor([[[[math.log(0.8)]], [[math.log(0.2)]]]], requires_grad=True)
    loss = consistency_loss(student, teacher)
    expected = (0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)) / 2
    assert math.isclose(loss.item(), expected, rel_tol=1e-5)
    loss.backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_focal_loss_is_the_two_class_softmax_with_a_detached_weight():
    logits = torch.tensor([[[[0.3]], [[1.1]]]], requires_grad=True)
    label = torch.ones(1, 1, 1, dtype=torch.long)
    loss = focal_edge_loss(logits, label)
    p = 1 / (1 + math.exp(0.3 - 1.1))
    assert math.isclose(loss.item(), (1 - p) ** 2 * -math.log(p), rel_tol=1e-5)
    loss.backward()
    # With p_t detached the gradient is the weight times cross entropy's (p - 1).
    assert math.isclose(logits.grad[0, 1, 0, 0].item(), (1 - p) ** 2 * (p - 1), rel_tol=1e-5)


def test_focal_loss_by_the_book_has_a_gradient_through_its_weight():
    logits = torch.tensor([[[[0.3, 9.0]], [[1.1, 0.0]]]], requires_grad=True)
    label = torch.tensor([[[1, IGNORE]]])
    loss = focal_edge_loss(logits, label, weight="differentiable")
    p = 1 / (1 + math.exp(0.3 - 1.1))
    assert math.isclose(loss.item(), (1 - p) ** 2 * -math.log(p), rel_tol=1e-5)  # the unknown pixel does not count
    loss.backward()
    slope = p * (1 - p) * (2 * (1 - p) * math.log(p) - (1 - p) ** 2 / p)
    assert math.isclose(logits.grad[0, 1, 0, 0].item(), slope, rel_tol=1e-5)
    assert not logits.grad[..., 1].any()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_at_a_temperature_and_as_a_mean_over_pixels(temperature):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    soft = [(logits / temperature).softmax(1) for logits in (teacher, student)]
    by_hand = temperature**2 * (soft[0] * (soft[0] / soft[1]).log()).sum(1).mean()
    torch.testing.assert_close(consistency_loss(student, teacher, temperature, "pixels"), by_hand)
    torch.testing.assert_close(consistency_loss(student, teacher, temperature), by_hand / 3)
    spec = LossSpec(edge=0, temperature=temperature, kl_mean="pixels")
    mask = torch.zeros(2, 4, 5, dtype=torch.long)
    for losses in (
        portrait_losses(Logits(student), Logits(teacher), mask, mask, spec).consistency,
        portrait_losses(Logits(student), None, mask, mask, spec, target=teacher).distillation,
    ):
        torch.testing.assert_close(losses, by_hand)


def test_the_edge_loss_is_the_one_that_the_recipe_names():
    torch.manual_seed(0)
    edge_logits, mask, edge = torch.randn(1, 2, 4, 4), torch.zeros(1, 4, 4).long(), torch.randint(0, 2, (1, 4, 4))
    slopes = []
    for weight in ("detached", "differentiable"):
        leaf = edge_logits.clone().requires_grad_()
        logits = Logits(torch.zeros(1, 2, 4, 4), leaf)
        portrait_losses(logits, None, mask, edge, LossSpec(consistency=0, focal_weight=weight)).total.backward()
        slopes.append(leaf.grad)
    assert not torch.allclose(slopes[0], slopes[1], rtol=1e-2)


def test_total_weighs_the_parts_and_unknown_pixels_do_not_count():
    torch.manual_seed(0)
    views = [Logits(torch.randn(2, 2, 8, 8), torch.randn(2, 2, 8, 8)) for _ in range(2)]
    mask, edge = torch.randint(0, 2, (2, 8, 8)), torch.randint(0, 2, (2, 8, 8))
    losses = portrait_losses(*views, mask, edge, LossSpec(consistency=2, edge=0.1))
    total = losses.mask + 2 * losses.consistency + 0.1 * losses.edge
    torch.testing.assert_close(losses.total, total)
    half = mask.clone()
    half[1] = 255
    known = portrait_losses(views[0], None, half, edge, LossSpec(consistency=0, edge=0))
    first = portrait_losses(Logits(views[0].mask[:1], None), None, mask[:1], edge[:1], LossSpec(consistency=0, edge=0))
    torch.testing.assert_close(known.total, first.total)


def test_soft_jaccard_is_one_minus_iou_when_the_network_is_certain():
    mask = torch.zeros(2, 10, 10, dtype=torch.long)
    mask[0, :, :6] = 1  # 60 pixels, of which the prediction finds 40 and adds 20
    predicted = torch.zeros(2, 10, 10)
    predicted[0, :, 2:8] = 1  # and nobody in the second picture
    logits = torch.stack([-50 * (2 * predicted - 1), 50 * (2 * predicted - 1)], 1)
    assert float(soft_jaccard_loss(logits, mask)) == pytest.approx((1 - 41 / 81) / 2)
    mask[0, :, :2] = IGNORE  # the 20 that were missed no longer count
    assert float(soft_jaccard_loss(logits, mask)) == pytest.approx((1 - 41 / 61) / 2)


def test_jaccard_joins_the_total_with_its_weight():
    views, mask = Logits(torch.randn(2, 2, 8, 8), None), torch.randint(0, 2, (2, 8, 8))
    losses = portrait_losses(views, None, mask, mask, LossSpec(consistency=0, edge=0, jaccard=0.3))
    assert float(losses.total) == pytest.approx(float(losses.mask + 0.3 * soft_jaccard_loss(views.mask, mask)))


def entropies(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none").flatten()


@pytest.fixture
def pixels():
    torch.manual_seed(0)
    return 2 * torch.randn(2, 3, 6, 6), torch.randint(0, 3, (2, 6, 6))


def test_class_weights_make_it_a_weighted_mean_as_torch_has_it(pixels):
    logits, labels = pixels
    labels[0, 0] = IGNORE
    weights = torch.tensor([1.0, 5.0, 0.2])
    expected = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=IGNORE)
    torch.testing.assert_close(pixel_loss(logits, labels, LossSpec(), weights), expected)


@pytest.mark.parametrize("least", [5, 30])
def test_only_hard_pixels_count_but_never_fewer_than_the_hardest_of_each_picture(pixels, least):
    logits, labels = pixels
    logits[1] = 0.3 * logits[1] + 6.0 * torch.nn.functional.one_hot(labels[1], 3).movedim(2, 0)  # an easy picture
    labels[0, 0] = IGNORE
    kept = []
    for picture in range(2):
        each = torch.nn.functional.cross_entropy(
            logits[picture][None], labels[picture][None], ignore_index=IGNORE, reduction="none"
        )
        each = each[labels[picture][None] != IGNORE].sort(descending=True).values
        below = int((each > -math.log(0.7)).sum())
        kept.append(each[: max(below, least)])
    assert len(kept[1]) == least  # of the easy one no pixel is hard
    found = pixel_loss(logits, labels, LossSpec(hard_threshold=0.7, hard_pixels=least))
    torch.testing.assert_close(found, torch.cat(kept).mean())
    everything = LossSpec(hard_threshold=0.7, hard_pixels=1000)  # more than there are
    torch.testing.assert_close(pixel_loss(logits, labels, everything), pixel_loss(logits, labels, LossSpec()))


def test_exponential_cross_entropy_and_its_slope_where_the_network_is_certain(pixels):
    logits, labels = pixels
    found = pixel_loss(logits, labels, LossSpec(pixel="exponential"))
    torch.testing.assert_close(found, (entropies(logits, labels) ** 0.3).mean())
    certain = (60.0 * torch.nn.functional.one_hot(labels, 3).movedim(3, 1)).requires_grad_()
    pixel_loss(certain, labels, LossSpec(pixel="exponential")).backward()
    assert certain.grad.isfinite().all()


def test_a_batch_of_unknown_pixels_has_a_loss_of_zero_with_a_gradient(pixels):
    logits, labels = pixels[0].requires_grad_(), torch.full_like(pixels[1], IGNORE)
    loss = pixel_loss(logits, labels, LossSpec(), torch.ones(3))
    loss.backward()
    assert loss.item() == 0


def test_dice_counts_present_classes_and_known_pixels():
    mask = torch.tensor([[[0, 0, 0, 1, 1, IGNORE]]])  # class 2 is absent
    predicted = torch.tensor([[[0, 0, 1, 1, 0, 2]]])
    logits = 50.0 * torch.nn.functional.one_hot(predicted, 3).movedim(3, 1)
    assert float(soft_dice_loss(logits, mask)) == pytest.approx(1 - (4 / 6 + 2 / 4) / 2)


def test_dice_joins_the_total_with_its_weight(pixels):
    logits, labels = pixels
    losses = portrait_losses(Logits(logits), None, labels, labels, LossSpec(consistency=0, edge=0, dice=0.5))
    assert float(losses.total) == pytest.approx(float(losses.mask + 0.5 * soft_dice_loss(logits, labels)))


def test_one_logit_gives_binary_cross_entropy():
    torch.manual_seed(0)
    model = build_model(PortraitNetSpec(encoder="mobilenetv3_small_100", one_logit=True, edge_head=False))
    assert model.mask_head.out_channels == 1
    logits, labels = model(torch.rand(2, 3, 64, 64)).mask, torch.randint(0, 2, (2, 64, 64))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 1], labels.float())
    torch.testing.assert_close(pixel_loss(logits, labels, LossSpec()), expected)


def test_distillation_asks_the_augmented_view_for_the_teachers_answer():
    torch.manual_seed(0)
    said, mask = torch.randn(2, 2, 8, 8), torch.full((2, 8, 8), IGNORE)
    spec = LossSpec(consistency=0, edge=0, distillation=3)
    same = portrait_losses(Logits(said), None, mask, mask, spec, target=said)
    assert same.total.abs() < 1e-6  # nothing is labelled, and the teacher agrees
    other = torch.randn_like(said)
    losses = portrait_losses(Logits(other), None, mask, mask, spec, target=said)
    torch.testing.assert_close(losses.total, 3 * consistency_loss(other, said))


def test_every_part_joins_the_total_with_its_own_weight():
    torch.manual_seed(0)
    weights = {"consistency": 2, "edge": 3, "jaccard": 5, "dice": 7, "auxiliary": 11, "distillation": 13}
    view, plain = (Logits(*(torch.randn(2, 2, 8, 8) for _ in range(3))) for _ in range(2))
    mask, target = torch.randint(0, 2, (2, 8, 8)), torch.randn(2, 2, 8, 8)
    losses = portrait_losses(view, plain, mask, mask, LossSpec(**weights), target=target)
    parts = losses._asdict()
    assert all(parts[name] > 0.01 for name in weights)
    expected = losses.mask + sum(weight * parts[name] for name, weight in weights.items())
    torch.testing.assert_close(losses.total, expected)
    spec = LossSpec(consistency=0, edge=0)
    torch.testing.assert_close(losses.auxiliary, pixel_loss(view.auxiliary, mask, spec))
    torch.testing.assert_close(losses.mask, pixel_loss(view.mask, mask, spec) + pixel_loss(plain.mask, mask, spec))
    torch.testing.assert_close(losses.distillation, consistency_loss(view.mask, target))
