"""PortraitNet's three losses (Zhang et al., 2019), with the constants of the paper's published code; soft Jaccard."""

from __future__ import annotations

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
    auxiliary: torch.Tensor


def focal_edge_loss(logits: torch.Tensor, edge: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
    """Focal loss of a two-class softmax: batch x 2 x H x W logits against batch x H x W labels 0, 1 or IGNORE.

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

    Batch x classes x H x W logits against batch x H x W labels; IGNORE pixels do not count. Cross entropy weighs
    a picture by its pixels, this by its person: it is what the IoU per image, by which models are judged, measures.
    """
    known = (mask != IGNORE).to(logits.dtype)
    truth = (mask > 0).to(logits.dtype) * known
    foreground = (1 - logits.softmax(1)[:, 0]) * known
    both = (foreground * truth).sum((1, 2))
    either = (foreground + truth).sum((1, 2)) - both
    # One pixel on both sides: a scene without a person is perfect at 1/1, and its gradient stays bounded.
    return (1 - (both + 1) / (either + 1)).mean()


def portrait_losses(
    augmented: Logits, original: Logits | None, mask: torch.Tensor, edge: torch.Tensor, weights: LossSpec
) -> Losses:
    """All losses of a batch: the texture-augmented view, and the plain view of the same geometry (or None).

    `mask` and `edge` are batch x H x W int64 labels with IGNORE for unknown pixels.
    """
    zero = jaccard = auxiliary = augmented.mask.new_zeros(())
    mask_loss = functional.cross_entropy(augmented.mask, mask, ignore_index=IGNORE)
    consistency = edge_loss = zero
    if original is not None:
        mask_loss = mask_loss + functional.cross_entropy(original.mask, mask, ignore_index=IGNORE)
        consistency = consistency_loss(augmented.mask, original.mask)
    if augmented.edge is not None:
        edge_loss = focal_edge_loss(augmented.edge, edge)
    if weights.jaccard:
        jaccard = soft_jaccard_loss(augmented.mask, mask)
    if augmented.auxiliary is not None:
        auxiliary = functional.cross_entropy(augmented.auxiliary, mask, ignore_index=IGNORE)
    total = mask_loss + weights.consistency * consistency + weights.edge * edge_loss + weights.jaccard * jaccard
    return Losses(total + weights.auxiliary * auxiliary, mask_loss, consistency, edge_loss, jaccard, auxiliary)
