"""Batch normalisation for published graphs, in which it is folded into the convolutions.

Fine-tuning works far better with it. Each layer gets the statistics of its inputs on a folder of photographs; weight
and bias are adjusted so that the network computes the same function.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from ...runtime.errors import InputError
from ...runtime.geometry import resize
from ...runtime.media.images import list_images, load_image
from ..models import Normalize

PHOTOGRAPHS = 256


@torch.no_grad()
def set_gain_of_one(norm: nn.BatchNorm2d, offset: torch.Tensor) -> None:
    """Make `norm`, with its initial statistics, add `offset` (channels) and nothing else."""
    norm.weight.fill_((1 + norm.eps) ** 0.5)  # its variance is one
    norm.bias.copy_(offset)


@torch.no_grad()
def restore_statistics(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Set each batch normalisation of `network` to the mean and variance of its inputs on `batches`.

    Weight and bias change with them, so that the network in eval mode computes the same function. `batches` are
    normalised RGB, batch x 3 x H x W.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    sums: dict[nn.Module, torch.Tensor] = {m: torch.zeros(3, m.num_features, dtype=torch.float64) for m in norms}

    def add(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        x = inputs[0].double()
        sums[norm] += torch.stack([torch.ones_like(x).sum((0, 2, 3)), x.sum((0, 2, 3)), x.square().sum((0, 2, 3))])

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    network.eval()
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        count, total, squares = sums[norm]
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=0)
        old_mean, old_variance = cast(torch.Tensor, norm.running_mean), cast(torch.Tensor, norm.running_var)
        gain = norm.weight / (old_variance + norm.eps).sqrt()
        norm.bias.add_(gain * (mean - old_mean))
        norm.weight.copy_(gain * (variance + norm.eps).sqrt())
        old_mean.copy_(mean)
        old_variance.copy_(variance)


def photographs(folder: Path, size: tuple[int, int] = (224, 224)) -> Iterable[torch.Tensor]:
    """Batches of 16 of the first photographs in `folder`, stretched: normalised RGB, 16 x 3 x height x width.

    Raises InputError for fewer than 16 photographs.
    """
    paths = list_images(folder)[:PHOTOGRAPHS]
    if len(paths) < 16:
        raise InputError(f"{folder} holds {len(paths)} photographs; the statistics of each layer need at least 16")
    for start in range(0, len(paths), 16):
        pictures = [resize(load_image(path), size) for path in paths[start : start + 16]]
        yield Normalize()(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float())
