"""A torch network as a runtime Backend, so that checkpoints are evaluated by the very code that runs exports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ..runtime.contract import Contract
from .engine.checkpoint import Checkpoint
from .models import ModelSpec, Normalize, check_size, complexity


class TorchBackend:
    """Runs a network on uint8 RGB batches; gives the person's alpha, or one score per class."""

    def __init__(self, model: nn.Module, contract: Contract) -> None:
        self.model, self.contract = model, contract
        self.normalize = Normalize()

    @classmethod
    def of(cls, checkpoint: Checkpoint, size: tuple[int, int] | None = None) -> TorchBackend:
        """Backend of a checkpoint, at its training size or another `size` (height, width)."""
        return cls(checkpoint.model, describe(checkpoint, size))

    @torch.inference_mode()
    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 N x height x width x 3 -> float32 N x height x width x (1 or classes), 0..1."""
        device = next(self.model.parameters()).device
        pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float()
        logits = self.model(self.normalize.to(device)(pixels)).mask.float()
        two = logits.shape[1] == 2
        scores = torch.sigmoid(logits[:, 1:] - logits[:, :1]) if two else logits.softmax(1)
        return scores.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def describe(checkpoint: Checkpoint, size: tuple[int, int] | None = None) -> Contract:
    """The contract of a checkpoint, with its cost, its training and its scores.

    Scores were measured at the size of training; at another `size` there are none.
    """
    size = size or checkpoint.size
    contract = contract_of(checkpoint.name, checkpoint.spec, size, checkpoint.geometry)
    parameters, macs = complexity(checkpoint.model, size)
    return replace(
        contract,
        encoder=checkpoint.spec.encoder,
        parameters=parameters,
        macs=macs,
        training={key: checkpoint.facts[key] for key in ("recipe", "step", "interpolated") if key in checkpoint.facts},
        accuracy=checkpoint.facts.get("scores", {}) if size == checkpoint.size else {},
    )


def contract_of(name: str, spec: ModelSpec, size: tuple[int, int], geometry: str) -> Contract:
    """The contract of a network at input `size` (height, width), filled by `geometry`; InputError for a wrong size."""
    check_size(spec, size)
    task = "portrait" if len(spec.classes) == 2 else "parsing"
    return Contract(name, spec.classes, *size, task=task, geometry=geometry)
