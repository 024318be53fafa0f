"""PortraitNet's three losses (Zhang et al., 2019), with the constants of the paper's published code."""

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


def portrait_losses(
    augmented: Logits, original: Logits | None, mask: torch.Tensor, edge: torch.Tensor, weights: LossSpec
) -> Losses:
    """All losses of a batch: the texture-augmented view, and the plain view of the same geometry (or None).

    `mask` and `edge` are batch x H x W int64 labels with IGNORE for unknown pixels.
    """
    zero = augmented.mask.new_zeros(())
    mask_loss = functional.cross_entropy(augmented.mask, mask, ignore_index=IGNORE)
    consistency = edge_loss = zero
    if original is not None:
        mask_loss = mask_loss + functional.cross_entropy(original.mask, mask, ignore_index=IGNORE)
        consistency = consistency_loss(augmented.mask, original.mask)
    if augmented.edge is not None:
        edge_loss = focal_edge_loss(augmented.edge, edge)
    total = mask_loss + weights.consistency * consistency + weights.edge * edge_loss
    return Losses(total, mask_loss, consistency, edge_loss)
