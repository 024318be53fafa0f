"""Learning-rate schedules of torch, after a linear warm-up."""

from __future__ import annotations

import warnings

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

from ...runtime.errors import InputError
from ..recipe import OptimizerSpec


def make_scheduler(optimizer: Optimizer, spec: OptimizerSpec, steps: int, first_step: int = 0) -> LRScheduler:
    """The schedule of a run of `steps`, standing at `first_step`; call `step()` once after each optimizer step.

    Raises InputError for a warm-up before one-cycle, which has its own.
    """
    if spec.schedule == "onecycle" and spec.warmup_steps:
        raise InputError("optimizer.warmup_steps must be 0 with schedule onecycle, which has a warm-up of its own")
    length = max(1, steps - spec.warmup_steps)
    scheduler: LRScheduler
    rates = [group["lr"] for group in optimizer.param_groups]
    if spec.schedule == "cosine":
        scheduler = CosineAnnealingLR(optimizer, length)
    elif spec.schedule == "step":
        scheduler = StepLR(optimizer, spec.step_every, spec.step_factor)
    elif spec.schedule == "poly":
        scheduler = PolynomialLR(optimizer, length, spec.poly_power)
    elif spec.schedule == "onecycle":
        scheduler = OneCycleLR(optimizer, rates, steps)
    else:
        scheduler = ConstantLR(optimizer, 1)
    if spec.warmup_steps:
        warmup = LinearLR(optimizer, 1 / spec.warmup_steps, total_iters=spec.warmup_steps - 1)
        scheduler = SequentialLR(optimizer, [warmup, scheduler], [spec.warmup_steps])
    with warnings.catch_warnings():
        # torch warns of schedule steps without optimizer steps: those were done before the run was resumed.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(first_step):
            scheduler.step()
    return scheduler
