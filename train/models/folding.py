"""Batch normalisation folded into the convolutions before it, after training: the same function in fewer operations."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ...runtime.errors import InputError


def fold_batch_norms(model: nn.Module, size: tuple[int, int] = (64, 64)) -> None:
    """Fold each BatchNorm2d into the convolution whose output it receives, as seen on one run of the model, in place.

    The run is on a picture of `size` (height, width). Where something else reads that output too, the function changes:
    compare before and after. Raises InputError for batch normalisation without running statistics.
    """
    made_by: dict[int, nn.Conv2d] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    keep_alive = []  # tensors are compared by identity, so none may be freed meanwhile

    def watch(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        keep_alive.append(output)
        if isinstance(module, nn.Conv2d):
            made_by[id(output)] = module
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made_by:
            pairs.append((made_by[id(inputs[0])], module))

    watched = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    handles = [module.register_forward_hook(watch) for module in watched]
    with torch.no_grad():
        model(torch.zeros(1, 3, *size))
    for handle in handles:
        handle.remove()
    names: dict[nn.Module, str] = {module: name for name, module in model.named_modules()}
    for conv, norm in pairs:
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:
            raise InputError(f"{names[norm]} keeps no running statistics: it can neither be exported nor teach")
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        parent, _, name = names[norm].rpartition(".")
        # timm's BatchNormAct2d carries the activation that follows.
        setattr(model.get_submodule(parent), name, getattr(norm, "act", None) or nn.Identity())
