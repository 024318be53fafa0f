"""The optimizers of recipes."""

from __future__ import annotations

import torch
from torch import nn

from ..recipe import OptimizerSpec


def build_optimizer(network: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """The recipe's optimizer over all trainable parameters, encoder and decoder as separate groups."""
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.") and p.requires_grad]
    decoder = [p for name, p in network.named_parameters() if not name.startswith("encoder.") and p.requires_grad]
    groups = [
        {"params": encoder, "lr": spec.learning_rate * spec.encoder_factor},
        {"params": decoder, "lr": spec.learning_rate},
    ]
    if spec.name == "sgd":
        return torch.optim.SGD(groups, spec.learning_rate, momentum=spec.momentum, weight_decay=spec.weight_decay)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
    return kind(groups, spec.learning_rate, betas=(spec.momentum, 0.999), weight_decay=spec.weight_decay)
