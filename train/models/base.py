"""What every architecture shares: the description that a recipe and a checkpoint carry, and what a network returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import nn


class Logits(NamedTuple):
    """`mask` and `auxiliary`: batch x classes x H x W; `edge`: batch x 2 x H x W (background, boundary).

    The last two exist in training only, and where the network has such a head.
    """

    mask: torch.Tensor
    edge: torch.Tensor | None = None
    auxiliary: torch.Tensor | None = None


@dataclass(frozen=True)
class ModelSpec:
    """Describes a network. A checkpoint carries its own, so that the file alone rebuilds it.

    Each architecture has a subclass beside its network: its fields are the keys of a recipe's `model` section.
    """

    stride: ClassVar[int] = 32  # input sides must be multiples of this
    # Keys of other architectures that have no effect here, whatever their value: one recipe compares many.
    without_effect: ClassVar[frozenset[str]] = frozenset()

    architecture: str = ""
    encoder: str = "mobilenetv2_100"
    encoder_weights: str = "none"  # imagenet (timm's hub), a .safetensors file (a checkpoint too), or none
    classes: tuple[str, ...] = ("background", "person")

    def build(self) -> nn.Module:
        """The network, with its encoder's weights loaded. It maps normalised RGB batch x 3 x H x W to `Logits`.

        Raises InputError for values that do not fit together.
        """
        raise NotImplementedError
