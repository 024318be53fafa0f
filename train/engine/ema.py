"""Exponential moving average of a network's weights and batch-norm statistics."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """average <- d * average + (1 - d) * model, with d = min(decay, (1 + t) / (10 + t)) after t updates."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {key: value.detach().clone() for key, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step towards `model`; integer buffers are copied."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        current = model.state_dict()
        floats = [key for key, value in self.weights.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[key] for key in floats], [current[key] for key in floats], 1 - decay)
        for key in self.weights.keys() - set(floats):
            self.weights[key].copy_(current[key])
