"""The networks. `build_model(spec)` makes any of them; every one maps normalised RGB to `Logits`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...runtime.errors import InputError
from .encoders import build_encoder
from .portraitnet import Logits, PortraitNet

__all__ = ["Logits", "ModelSpec", "Normalize", "PortraitNet", "build_model", "complexity"]


@dataclass(frozen=True)
class ModelSpec:
    """What to build. A checkpoint carries its own, so that it can be rebuilt from the file alone."""

    architecture: str = "portraitnet"
    encoder: str = "mobilenetv2_100"
    encoder_weights: str = "none"  # imagenet (timm's hub), a .safetensors file, or none
    paper_options: bool = False  # the paper's MobileNetV2: ReLU, first block's expansion kept
    convolution: str = "separable"  # separable (the paper's D-block) or plain (the U-Net-like rivals)
    edge_head: bool = True  # auxiliary boundary head, used in training only
    classes: tuple[str, ...] = ("background", "person")


class Normalize(nn.Module):
    """RGB 0..255 -> the ImageNet mean and deviation that all encoders here expect; batch x 3 x H x W."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        self.register_buffer("mean", mean * 255, persistent=False)
        self.register_buffer("deviation", deviation * 255, persistent=False)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return (rgb - self.mean) / self.deviation


def build_model(spec: ModelSpec) -> nn.Module:
    """Build the network of `spec`, with its encoder's weights loaded. Raises InputError for unknown names."""
    if spec.architecture != "portraitnet":
        raise InputError(f"unknown architecture {spec.architecture!r}; known: portraitnet")
    if spec.convolution not in ("separable", "plain"):
        raise InputError(f"model.convolution is {spec.convolution!r}; it must be separable or plain")
    encoder = build_encoder(spec.encoder, spec.encoder_weights, spec.paper_options)
    return PortraitNet(
        encoder,
        encoder.feature_info.channels(),
        classes=len(spec.classes),
        convolution=spec.convolution,
        edge_head=spec.edge_head,
    )


def complexity(model: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters, and multiply-accumulates for one picture of `size` (height, width), without the edge head."""
    unused = getattr(model, "edge_head", None)
    parameters = sum(p.numel() for p in model.parameters())
    device = next(model.parameters()).device
    counter = FlopCounterMode(display=False)
    training = model.training
    with torch.no_grad(), counter:
        model.eval()(torch.zeros(1, 3, *size, device=device))
    model.train(training)
    macs = counter.get_total_flops() // 2
    if unused is not None:
        parameters -= sum(p.numel() for p in unused.parameters())
        macs -= unused.weight.numel() * size[0] * size[1]
    return parameters, macs
