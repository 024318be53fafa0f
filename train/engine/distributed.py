"""Batch norm over all processes, for data-parallel runs to equal a single process on the whole batch."""

from __future__ import annotations

import timm.layers
import torch
import torch.distributed
from torch import nn
from torch.distributed.nn.functional import all_reduce


def synchronize_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch norm by one whose statistics span all processes; parameter names stay."""
    if device.type == "cuda":
        return timm.layers.convert_sync_batchnorm(model)
    # torch's own SyncBatchNorm refuses CPU tensors.
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(model, name, GlobalBatchNorm(child))
        else:
            synchronize_batch_norm(child, device)
    return model


class GlobalBatchNorm(nn.BatchNorm2d):
    """BatchNorm2d (or timm's BatchNormAct2d, with its activation) over the batches of all processes."""

    def __init__(self, local: nn.BatchNorm2d) -> None:
        super().__init__(local.num_features, local.eps, local.momentum)
        self.load_state_dict(local.state_dict())
        self.after = nn.Sequential(*(getattr(local, part) for part in ("drop", "act") if hasattr(local, part)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return self.after(super().forward(x))
        momentum = 0.1 if self.momentum is None else self.momentum
        count = x.numel() / x.shape[1] * torch.distributed.get_world_size()
        mean = all_reduce(x.sum((0, 2, 3))) / count
        centred = x - mean.view(1, -1, 1, 1)
        variance = all_reduce(centred.square().sum((0, 2, 3))) / count
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return self.after(centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1))
