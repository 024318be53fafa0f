"""Learning rate and momentum as functions of the step: after a linear warm-up, the recipe's schedule."""

from __future__ import annotations

import math

from ..recipe import OptimizerSpec

# One-cycle (Smith & Topin, 2018): up for this share of the run and down after, from and to these parts of the rate.
_ONE_CYCLE_RISE, _ONE_CYCLE_START, _ONE_CYCLE_END = 0.3, 25.0, 1e4
_ONE_CYCLE_MOMENTA = 0.95, 0.85, 0.95


def learning_rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """The rate for `step` (0 .. steps - 1) of a run of `steps`."""
    if step < spec.warmup_steps:
        return spec.learning_rate * (step + 1) / spec.warmup_steps
    done = (step - spec.warmup_steps) / max(1, steps - spec.warmup_steps)
    if spec.schedule == "onecycle":
        lowest = spec.learning_rate / _ONE_CYCLE_START
        ends = (lowest, spec.learning_rate, lowest / _ONE_CYCLE_END)
        return _one_cycle(*ends, step - spec.warmup_steps, steps - spec.warmup_steps)
    factor = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "step": spec.step_factor ** ((step - spec.warmup_steps) // spec.step_every),
        "poly": (1 - done) ** spec.poly_power,
    }[spec.schedule]
    return spec.learning_rate * factor


def momentum(spec: OptimizerSpec, step: int, steps: int) -> float:
    """The momentum (for Adam, beta1) for `step`: constant, but lowest where one-cycle's rate is highest."""
    if spec.schedule != "onecycle" or step < spec.warmup_steps:
        return spec.momentum
    return _one_cycle(*_ONE_CYCLE_MOMENTA, step - spec.warmup_steps, steps - spec.warmup_steps)


def _one_cycle(first: float, middle: float, last: float, step: int, steps: int) -> float:
    """From `first` to `middle` and on to `last`, along half cosines."""
    turn = _ONE_CYCLE_RISE * steps - 1
    rising = step <= turn
    start, end = (first, middle) if rising else (middle, last)
    share = step / max(turn, 1) if rising else (step - turn) / max(steps - 1 - turn, 1)
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
