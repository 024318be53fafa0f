"""The networks, one file each with its `ModelSpec`. To add an architecture, copy one and list its spec here."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...runtime.errors import InputError
from .aspp import AsppSpec
from .base import Logits, ModelSpec
from .deeplabv3 import DeepLabV3Spec
from .deeplabv3plus import DeepLabV3PlusSpec
from .ocr import OcrSpec
from .padding import DEVIATION, MEAN
from .portraitnet import PortraitNet, PortraitNetSpec
from .pspnet import PspNetSpec
from .selfie import SelfieSpec
from .selfie_transformer import SelfieTransformerSpec
from .sep_aspp import SepAsppSpec

__all__ = [
    "ARCHITECTURES",
    "AsppSpec",
    "DeepLabV3PlusSpec",
    "DeepLabV3Spec",
    "Logits",
    "ModelSpec",
    "Normalize",
    "OcrSpec",
    "PortraitNet",
    "PortraitNetSpec",
    "PspNetSpec",
    "SelfieSpec",
    "SelfieTransformerSpec",
    "SepAsppSpec",
    "build_model",
    "check_size",
    "complexity",
    "without_training_heads",
]

ARCHITECTURES: dict[str, type[ModelSpec]] = {
    spec().architecture: spec
    for spec in (
        PortraitNetSpec,
        SelfieSpec,
        SelfieTransformerSpec,
        DeepLabV3Spec,
        DeepLabV3PlusSpec,
        PspNetSpec,
        OcrSpec,
        AsppSpec,
        SepAsppSpec,
    )
}


class Normalize(nn.Module):
    """RGB 0..255 -> the ImageNet mean and deviation that all encoders here expect; batch x 3 x H x W."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, deviation = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(DEVIATION).view(1, 3, 1, 1)
        self.register_buffer("mean", mean * 255, persistent=False)
        self.register_buffer("deviation", deviation * 255, persistent=False)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return (rgb - self.mean) / self.deviation


def build_model(spec: ModelSpec) -> nn.Module:
    """Build the network of `spec`, with its encoder's weights loaded. Raises InputError for values that do not fit."""
    return spec.build()


def check_size(spec: ModelSpec, size: tuple[int, int]) -> None:
    """Raise InputError for an input `size` (height, width) that the network's strides do not divide."""
    if any(side % spec.stride for side in size):
        raise InputError(f"input size {size[0]}x{size[1]}: {spec.architecture} needs multiples of {spec.stride}")


def without_training_heads(model: nn.Module) -> nn.Module:
    """A copy of the deployed network: the heads that only a loss reads are gone."""
    model = copy.deepcopy(model)
    unused = ["edge_head"] if getattr(model, "regions_from_auxiliary", False) else ["edge_head", "auxiliary_head"]
    for name in unused:
        if getattr(model, name, None) is not None:
            setattr(model, name, None)
    return model


def complexity(model: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters of the deployed network, and its multiply-accumulates for one picture of `size` (height, width)."""
    deployed = without_training_heads(model).eval()
    device = next(deployed.parameters()).device
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        deployed(torch.zeros(1, 3, *size, device=device))
    return sum(p.numel() for p in deployed.parameters()), counter.get_total_flops() // 2
