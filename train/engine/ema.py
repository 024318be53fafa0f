"""Exponential moving average of a network's weights and batch-norm statistics: timm's, with a warm-up of its own."""

from __future__ import annotations

from timm.utils import ModelEmaV3


class WeightAverage(ModelEmaV3):
    """average <- d * average + (1 - d) * network, with d = min(decay, (1 + t) / (10 + t)) after t updates.

    timm's own warm-ups start at d = 0 and rise by a power of t. `module` is the averaged network, in eval mode.
    """

    def get_decay(self, step: int | None = None) -> float:
        """The decay of the update after `step` others."""
        return self.decay if step is None else min(self.decay, (1 + step) / (10 + step))
