import math

import pytest
import torch

from portraitnet.runtime.metrics import IGNORE
from portraitnet.train.losses import consistency_loss, focal_edge_loss, portrait_losses, soft_jaccard_loss
from portraitnet.train.models import Logits
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
