"""What a run takes from networks trained before it: their weights to start from, or their opinion to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..runtime.errors import InputError
from .checkpoint import load_checkpoint


def start_from(network: nn.Module, path: str) -> None:
    """Give `network` the weights of a checkpoint, in place.

    A head of another shape, or one that the checkpoint lacks, keeps its own: another number of classes, or the
    boundary head. Raises InputError when anything else differs; model.encoder_weights takes the encoder alone.
    """
    stored, own = load_checkpoint(path).model.state_dict(), network.state_dict()
    fitting = {key: value for key, value in stored.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fitting and not key.split(".")[0].endswith("_head")]
    if missing:
        raise InputError(
            f"{path} cannot start this network: {len(missing)} of {len(own)} tensors are missing or differ in shape, "
            f"the first is {missing[0]}; the model section must be the checkpoint's"
        )
    network.load_state_dict(fitting, strict=False)


def open_teacher(path: str, classes: Sequence[str]) -> nn.Module | None:
    """The network of a checkpoint, which learns no more; None without a path. It must tell the same `classes`."""
    if not path:
        return None
    checkpoint = load_checkpoint(path)
    if list(checkpoint.spec.classes) != list(classes):
        raise InputError(f"the teacher {path} tells {', '.join(checkpoint.spec.classes)}, not {', '.join(classes)}")
    return checkpoint.model.requires_grad_(False).to(memory_format=torch.channels_last)
