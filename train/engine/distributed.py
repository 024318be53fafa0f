"""Runs of several processes, equal to a single process on the whole batch: devices, means, global batch norm."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import timm.layers
import torch
import torch.distributed
from lightning.fabric import Fabric
from torch import nn
from torch.distributed.nn.functional import all_reduce

from ...runtime.errors import InputError
from ..recipe import RunSpec


def open_fabric(run: RunSpec, accelerator: str) -> Fabric:
    """The devices and the precision of a run; under `torchrun`, this process's part of them."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if run.batch % processes:
        raise InputError(f"run.batch = {run.batch} cannot be shared evenly by {processes} processes")
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=processes // local,
        strategy="ddp" if processes > 1 else "auto",
        precision=run.precision,
    )
    fabric.launch()
    if fabric.device.type == "cuda":
        # cuDNN's search for the fastest kernels costs a minute with bfloat16, and saved nothing on an H100.
        torch.set_float32_matmul_precision("high")
    return fabric


def mean_over_processes(values: torch.Tensor) -> torch.Tensor:
    """The mean of `values` over all processes: the same tensor in each."""
    if not torch.distributed.is_initialized():
        return values
    values = values.clone()
    torch.distributed.all_reduce(values)
    return values / torch.distributed.get_world_size()


def this_process() -> tuple[int, int]:
    """The rank of this process, and the number of processes."""
    if not torch.distributed.is_initialized():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def gather(value: Any) -> Sequence[Any]:
    """`value` of every process, in the order of their ranks; any picklable object."""
    if not torch.distributed.is_initialized():
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


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
