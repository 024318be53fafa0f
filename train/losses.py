"""PortraitNet's losses (Zhang et al., 2019), with the constants of the paper's published code, and its rivals'.

Logits are batch x classes x H x W, labels batch x H x W int64 with IGNORE for pixels that do not count.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.distributed.nn.functional
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
    matte: torch.Tensor
    composition: torch.Tensor
    soft_labels: torch.Tensor


_BAND, _LEVELS = 4, 4  # reach of the edge band in pixels; levels of the matte loss's pyramid
_EXPONENT = 0.3  # of the exponential cross entropy: the best of its paper


def pixel_loss(
    logits: torch.Tensor, labels: torch.Tensor, spec: LossSpec, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over pixels of their cross entropy, or of its power 0.3 (Wong et al., 2018).

    `class_weights` (classes,) make it a weighted mean. With spec.hard_threshold only hard pixels count, those whose
    true class has a lower probability; but always the spec.hard_pixels hardest of each picture (OHEM, Shrivastava et
    al., 2016).
    """
    entropy = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    known = labels != IGNORE
    weights = known.to(entropy.dtype) if class_weights is None else class_weights[labels.where(known, 0)] * known
    if spec.hard_threshold:
        weights = weights * _hard(entropy.detach(), known, spec)
    if spec.pixel == "exponential":
        # Near zero the power's own slope has no bound, though the slope along the logits has.
        entropy = entropy.clamp(min=1e-4) ** _EXPONENT
    return _mean(weights * entropy, weights)


def _hard(entropy: torch.Tensor, known: torch.Tensor, spec: LossSpec) -> torch.Tensor:
    """Which pixels of each picture are hard; batch x H x W. The paper's choice is over a batch, this over a picture:
    so it does not depend on how many processes share the batch."""
    limit = entropy.new_full((len(entropy), 1, 1), -math.log(spec.hard_threshold))
    pixels = entropy[0].numel()
    if spec.hard_pixels >= pixels:
        return torch.ones_like(known)
    by_picture = entropy.masked_fill(~known, -math.inf).flatten(1)
    hardest = by_picture.kthvalue(pixels - spec.hard_pixels + 1, dim=1).values
    return entropy >= torch.minimum(hardest.view(-1, 1, 1), limit)


def focal_edge_loss(
    logits: torch.Tensor, edge: torch.Tensor, gamma: float = 2.0, weight: str = "detached"
) -> torch.Tensor:
    """Focal loss of a two-class softmax, labels 0, 1 or IGNORE; no class weight, all known pixels averaged.

    Its weight (1 - p_t)^gamma is a constant where `weight` is "detached", as in the paper's code; "differentiable" is
    the formula as it is written. (smp's focal loss is of sigmoids, and has no detached weight.)
    """
    cross_entropy = functional.cross_entropy(logits, edge, ignore_index=IGNORE, reduction="none")
    judged = cross_entropy.detach() if weight == "detached" else cross_entropy
    return _mean((1 - torch.exp(-judged)) ** gamma * cross_entropy, (edge != IGNORE).to(cross_entropy.dtype))


def consistency_loss(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float = 1.0, mean: str = "elements"
) -> torch.Tensor:
    """KL(teacher || student) of the softmax at a temperature, times its square; no gradient to the teacher.

    `mean` is over all "elements" (the paper's code), or over "pixels" of the sum over classes.
    """
    teacher = functional.log_softmax(teacher.detach() / temperature, 1)
    student = functional.log_softmax(student / temperature, 1)
    divergence = functional.kl_div(student, teacher, reduction="none", log_target=True) * temperature**2
    return divergence.mean() if mean == "elements" else divergence.sum(1).mean()


def _mean(weighted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted mean over the pixels of all processes; 0, with a gradient, where none counts."""
    total, weight = _summed(torch.stack([weighted.sum(), weights.sum().to(weighted.dtype)]))
    # Where none counts, by 1: by a tiny number, the weight of the loss would make its gradient infinite.
    return total / weight.where(weight > 0, torch.ones_like(weight))


def _summed(value: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, whose gradient reaches every one of them; in a single process the value itself.

    Each process then has the loss of the whole batch, and the mean of their gradients is its gradient: by local counts
    a process with few known pixels would weigh as much as one with many.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    return torch.distributed.nn.functional.all_reduce(value)


def soft_jaccard_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """1 - soft IoU of the foreground (every class but 0) of each picture, averaged (Rahman & Wang, 2016).

    Cross entropy weighs a picture by its pixels, this by its person: it is what the IoU per image, by which models
    are judged, measures. (smp's Jaccard loss pools a batch's pixels.)
    """
    known = (mask != IGNORE).to(logits.dtype)
    truth = (mask > 0).to(logits.dtype) * known
    foreground = (1 - logits.softmax(1)[:, 0]) * known
    both = (foreground * truth).sum((1, 2))
    either = (foreground + truth).sum((1, 2)) - both
    # One pixel on both sides: a scene without a person is perfect at 1/1, and its gradient stays bounded.
    return (1 - (both + 1) / (either + 1)).mean()


def soft_dice_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice of each class that is present, over the whole batch, averaged (Milletari et al., 2016).

    smp's Dice loss, whose mean counts absent classes as perfect and whose batch is one process's.
    """
    known = mask != IGNORE
    probability = logits.softmax(1) * known[:, None]
    truth = functional.one_hot(mask.where(known, 0), logits.shape[1]).movedim(3, 1) * known[:, None]
    sums = torch.stack([part.sum((0, 2, 3)) for part in (probability * truth, probability, truth.to(logits.dtype))])
    both, claimed, sizes = _summed(sums)
    dice = 2 * both / (claimed + sizes).clamp(min=1)
    present = (sizes > 0).to(dice.dtype)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def soft_label_loss(logits: torch.Tensor, matte: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the foreground's probability against alpha, over all pixels of the pictures that know it.

    `matte` is uint8 batch x H x W; only pictures that are `soft` (batch) count. Alpha may be true, or
    a teacher's stored answer: distillation without asking it at every step (Hinton et al., 2015).
    """
    truth = matte.to(logits.dtype) / 255
    shares = logits.log_softmax(1)
    entropy = -(truth * shares[:, 1:].logsumexp(1) + (1 - truth) * shares[:, 0])
    weights = soft.to(logits.dtype).view(-1, 1, 1).expand_as(entropy)
    return _mean(weights * entropy, weights)


def matte_loss(logits: torch.Tensor, matte: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """L1 distance of the foreground's probability from true alpha, and of their Laplacian pyramids, in the edge band.

    `matte` is uint8 batch x H x W; only pictures that are `soft` (batch) count. The band are the pixels within 4 of
    both alpha below 1 and alpha above 0. A coarse pixel counts for those that it stands for (Hou and Liu, 2019).
    """
    truth = matte.to(logits.dtype)[:, None] / 255
    band = _edge_band(truth, soft)
    difference = ((1 - logits.softmax(1)[:, :1]) - truth) * band
    total = difference.abs().sum()
    for level in range(_LEVELS):
        if min(difference.shape[2:]) < 2:
            break
        smaller = functional.avg_pool2d(difference, 2, ceil_mode=True)
        grown = functional.interpolate(smaller, size=difference.shape[2:], mode="bilinear", align_corners=False)
        total = total + 4**level * (difference - grown).abs().sum()
        difference = smaller
    return _mean(total, band.sum())


def composition_loss(logits: torch.Tensor, matte: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """L1 distance of the compositions by predicted and by true alpha, in the edge band (Xu et al., 2017).

    Both are composed of the true colours F and B of person and background, so that their distance
    |pF + (1-p)B - (aF + (1-a)B)| is |p - a| |F - B|: the contrast |F - B| is all that is needed of the colours. It is
    uint8 batch x H x W like `matte`, and zero throughout in pictures whose colours are unknown, which do not count.
    """
    truth = matte.to(logits.dtype)[:, None] / 255
    band = _edge_band(truth, contrast.flatten(1).any(1))
    error = ((1 - logits.softmax(1)[:, :1]) - truth).abs() * contrast.to(logits.dtype)[:, None] / 255
    return _mean(error * band, band)


def _edge_band(alpha: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """1 within 4 pixels of both alpha below 1 and alpha above 0, in pictures that count (batch); as `alpha`, 0..1."""
    side = 2 * _BAND + 1
    band = (functional.max_pool2d(alpha, side, 1, _BAND) > 0) & (-functional.max_pool2d(-alpha, side, 1, _BAND) < 1)
    return (band & counts.view(-1, 1, 1, 1)).to(alpha.dtype)


def portrait_losses(
    augmented: Logits,
    original: Logits | None,
    mask: torch.Tensor,
    edge: torch.Tensor,
    spec: LossSpec,
    class_weights: torch.Tensor | None = None,
    target: torch.Tensor | None = None,
    matte: torch.Tensor | None = None,
    soft: torch.Tensor | None = None,
    contrast: torch.Tensor | None = None,
) -> Losses:
    """All losses of a batch: the texture-augmented view, and the plain view of the same geometry (or None).

    `target` are a teacher's logits for the plain view: the distillation loss draws the augmented view's to them.
    `matte`, `soft` and `contrast` are what `matte_loss`, `soft_label_loss` and `composition_loss` take.
    """

    def judge(logits: torch.Tensor) -> torch.Tensor:
        return pixel_loss(logits, mask, spec, class_weights)

    def diverge(teacher: torch.Tensor) -> torch.Tensor:
        return consistency_loss(augmented.mask, teacher, spec.temperature, spec.kl_mean)

    zero = augmented.mask.new_zeros(())
    consistency = edge_loss = jaccard = dice = auxiliary = distillation = alpha = composition = soft_labels = zero
    mask_loss = judge(augmented.mask)
    if original is not None:
        mask_loss = mask_loss + judge(original.mask)
        consistency = diverge(original.mask)
    if augmented.edge is not None:
        edge_loss = focal_edge_loss(augmented.edge, edge, weight=spec.focal_weight)
    if spec.jaccard:
        jaccard = soft_jaccard_loss(augmented.mask, mask)
    if spec.dice:
        dice = soft_dice_loss(augmented.mask, mask)
    if augmented.auxiliary is not None:
        auxiliary = judge(augmented.auxiliary)
    if target is not None:
        distillation = diverge(target.to(augmented.mask.dtype))
    if spec.matte and matte is not None and soft is not None:
        alpha = matte_loss(augmented.mask, matte, soft)
    if spec.soft_labels and matte is not None and soft is not None:
        soft_labels = soft_label_loss(augmented.mask, matte, soft)
    if spec.composition and matte is not None and contrast is not None:
        composition = composition_loss(augmented.mask, matte, contrast)
    total = mask_loss + spec.consistency * consistency + spec.edge * edge_loss
    total = total + spec.jaccard * jaccard + spec.dice * dice + spec.auxiliary * auxiliary
    total = total + spec.distillation * distillation + spec.matte * alpha
    total = total + spec.composition * composition + spec.soft_labels * soft_labels
    parts = (mask_loss, consistency, edge_loss, jaccard, dice, auxiliary, distillation, alpha, composition, soft_labels)
    return Losses(total, *parts)
