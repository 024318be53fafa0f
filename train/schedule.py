"""Learning rate as a function of the step: constant, cosine, step or poly, after a linear warm-up."""

from __future__ import annotations

import math

from .recipe import OptimizerSpec


def learning_rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """The rate for `step` (0 .. steps - 1) of a run of `steps`."""
    if step < spec.warmup_steps:
        return spec.learning_rate * (step + 1) / spec.warmup_steps
    done = (step - spec.warmup_steps) / max(1, steps - spec.warmup_steps)
    factor = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "step": spec.step_factor ** ((step - spec.warmup_steps) // spec.step_every),
        "poly": (1 - done) ** spec.poly_power,
    }[spec.schedule]
    return spec.learning_rate * factor
