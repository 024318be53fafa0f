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

    One-cycle's momentum swings by 0.05 around optimizer.momentum, as torch's does around 0.9. `cyclic` is mmcv's: up to
    cyclic_rate[0] times the rate and down to cyclic_rate[1], by half cosines. Raises InputError for a warm-up before
    either, which have their own.
    """
    if spec.schedule in ("onecycle", "cyclic") and spec.warmup_steps:
        raise InputError(f"optimizer.warmup_steps must be 0 with schedule {spec.schedule}, which rises by itself")
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
        momenta = max(0.0, spec.momentum - 0.05), min(0.9999, spec.momentum + 0.05)
        scheduler = OneCycleLR(optimizer, rates, steps, base_momentum=momenta[0], max_momentum=momenta[1])
    elif spec.schedule == "cyclic":
        highest, lowest = spec.cyclic_rate
        scheduler = OneCycleLR(
            optimizer,
            [highest * rate for rate in rates],
            steps,
            pct_start=spec.cyclic_up,
            div_factor=highest,
            final_div_factor=1 / lowest,
            base_momentum=min(0.9999, spec.momentum * spec.cyclic_momentum[0]),
            max_momentum=min(0.9999, spec.momentum * spec.cyclic_momentum[1]),
        )
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
