"""PortraitNet's losses (Zhang et al., 2019), with the constants of the paper's published code, and its rivals'.

Logits are batch x classes x H x W, labels batch x H x W int64 with IGNORE for pixels that do not count.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.nn import functional

from ..runtime.metrics import IGNORE
from .models import Logits
from .recipe import LossSpec


class Losses(NamedTuple):
    """Scalars: `total` is what is minimised, the others its unweighted parts."""

    total: torch.Tensor
    mask: torch.Tensor
    consistency: torch.Tensor
    edge: torch.Tensor
    jaccard: torch.Tensor
    dice: torch.Tensor
    auxiliary: torch.Tensor
    distillation: torch.Tensor


_EXPONENT = 0.3  # of the exponential cross entropy: the best of its paper


def pixel_loss(
    logits: torch.Tensor, labels: torch.Tensor, spec: LossSpec, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over pixels of their cross entropy, or of its power 0.3 (Wong et al., 2018).

    `class_weights` (classes,) make it a weighted mean. With spec.hard_threshold only hard pixels count, those whose
    true class has a lower probability; but always the spec.hard_pixels hardest (OHEM, Shrivastava et al., 2016).
    """
    entropy = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    known = labels != IGNORE
    entropy, labels = entropy[known], labels[known]
    if spec.hard_threshold and len(entropy) > spec.hard_pixels:
        hardest = entropy.detach().kthvalue(len(entropy) - spec.hard_pixels + 1).values
        hard = entropy.detach() >= hardest.clamp(max=-math.log(spec.hard_threshold))
        entropy, labels = entropy[hard], labels[hard]
    if spec.pixel == "exponential":
        # Near zero the power's own slope has no bound, though the slope along the logits has.
        entropy = entropy.clamp(min=1e-4) ** _EXPONENT
    if not len(entropy):
        return logits.sum() * 0
    if class_weights is None:
        return entropy.mean()
    weights = class_weights[labels]
    return (weights * entropy).sum() / weights.sum()


def focal_edge_loss(logits: torch.Tensor, edge: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
    """Focal loss of a two-class softmax, labels 0, 1 or IGNORE.

    The weight (1 - p_t)^gamma is detached, there is no class weight, and all pixels are averaged.
    """
    cross_entropy = functional.cross_entropy(logits, edge, ignore_index=IGNORE, reduction="none")
    weight = (1 - torch.exp(-cross_entropy.detach())) ** gamma
    return (weight * cross_entropy).mean()


def consistency_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """KL(teacher || student) of the softmax over classes, averaged over all elements; no gradient to the teacher."""
    teacher = functional.log_softmax(teacher.detach(), 1)
    return functional.kl_div(functional.log_softmax(student, 1), teacher, reduction="none", log_target=True).mean()


def soft_jaccard_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """1 - soft IoU of the foreground (every class but 0) of each picture, averaged (Rahman & Wang, 2016).

    Cross entropy weighs a picture by its pixels, this by its person: it is what the IoU per image, by which models
    are judged, measures.
    """
    known = (mask != IGNORE).to(logits.dtype)
    truth = (mask > 0).to(logits.dtype) * known
    foreground = (1 - logits.softmax(1)[:, 0]) * known
    both = (foreground * truth).sum((1, 2))
    either = (foreground + truth).sum((1, 2)) - both
    # One pixel on both sides: a scene without a person is perfect at 1/1, and its gradient stays bounded.
    return (1 - (both + 1) / (either + 1)).mean()


def soft_dice_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice of each class that is present, over the whole batch, averaged (Milletari et al., 2016)."""
    known = mask != IGNORE
    probability = logits.softmax(1) * known[:, None]
    truth = functional.one_hot(mask.where(known, 0), logits.shape[1]).movedim(3, 1) * known[:, None]
    both, sizes = (probability * truth).sum((0, 2, 3)), truth.sum((0, 2, 3))
    dice = 2 * both / (probability.sum((0, 2, 3)) + sizes).clamp(min=1)
    present = (sizes > 0).to(dice.dtype)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def portrait_losses(
    augmented: Logits,
    original: Logits | None,
    mask: torch.Tensor,
    edge: torch.Tensor,
    spec: LossSpec,
    class_weights: torch.Tensor | None = None,
    target: torch.Tensor | None = None,
) -> Losses:
    """All losses of a batch: the texture-augmented view, and the plain view of the same geometry (or None).

    `target` are a teacher's logits for the plain view: the distillation loss draws the augmented view's to them.
    """

    def judge(logits: torch.Tensor) -> torch.Tensor:
        return pixel_loss(logits, mask, spec, class_weights)

    consistency = edge_loss = jaccard = dice = auxiliary = distillation = augmented.mask.new_zeros(())
    mask_loss = judge(augmented.mask)
    if original is not None:
        mask_loss = mask_loss + judge(original.mask)
        consistency = consistency_loss(augmented.mask, original.mask)
    if augmented.edge is not None:
        edge_loss = focal_edge_loss(augmented.edge, edge)
    if spec.jaccard:
        jaccard = soft_jaccard_loss(augmented.mask, mask)
    if spec.dice:
        dice = soft_dice_loss(augmented.mask, mask)
    if augmented.auxiliary is not None:
        auxiliary = judge(augmented.auxiliary)
    if target is not None:
        distillation = consistency_loss(augmented.mask, target.to(augmented.mask.dtype))
    total = mask_loss + spec.consistency * consistency + spec.edge * edge_loss
    total = total + spec.jaccard * jaccard + spec.dice * dice + spec.auxiliary * auxiliary
    total = total + spec.distillation * distillation
    return Losses(total, mask_loss, consistency, edge_loss, jaccard, dice, auxiliary, distillation)
