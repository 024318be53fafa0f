"""The networks. `build_model(spec)` makes any of them; every one maps normalised RGB to `Logits`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...runtime.errors import InputError
from .dilated import HEADS, DilatedNet
from .encoders import build_encoder
from .padding import DEVIATION, MEAN
from .portraitnet import Logits, PortraitNet
from .selfie import SELFIE_ENCODER, SelfieNet
from .selfie_transformer import SELFIE_TRANSFORMER_ENCODER, STRIDE, SelfieTransformer

__all__ = [
    "Logits",
    "ModelSpec",
    "Normalize",
    "PortraitNet",
    "build_model",
    "check_size",
    "complexity",
    "without_training_heads",
]


# Architectures of MediaPipe's, each with its only encoder.
_PUBLISHED = {"selfie": SELFIE_ENCODER, "selfie_transformer": SELFIE_TRANSFORMER_ENCODER}


@dataclass(frozen=True)
class ModelSpec:
    """What to build. A checkpoint carries its own, so that it can be rebuilt from the file alone."""

    architecture: str = "portraitnet"  # or selfie, selfie_transformer, deeplabv3, deeplabv3plus, pspnet, ocr
    encoder: str = "mobilenetv2_100"
    encoder_weights: str = "none"  # imagenet (timm's hub), a .safetensors file (a checkpoint too), or none
    paper_options: bool = False  # the paper's MobileNetV2: ReLU, first block's expansion kept
    padding: str = (
        "torch"  # or tensorflow: strided convolutions pad as phones' runtimes do by themselves; exports faster
    )
    open_border: bool = (
        False  # the paper's heads see zeros past the border; or the last upsampling, run on: exports faster
    )
    convolution: str = "separable"  # separable (the paper's D-block) or plain (the U-Net-like rivals)
    edge_head: bool = True  # portraitnet's boundary head, used in training only
    one_logit: bool = False  # portraitnet's mask head gives the person's logit alone: binary cross entropy
    output_stride: int = 8  # of the dilated encoder of all but portraitnet: 8 or 16
    auxiliary_head: bool = False  # their second head, used in training only (ocr always has one)
    classes: tuple[str, ...] = ("background", "person")


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
    """Build the network of `spec`, with its encoder's weights loaded. Raises InputError for unknown names."""
    if spec.architecture in HEADS:
        return _build_dilated(spec)
    if spec.architecture in _PUBLISHED:
        return _build_published(spec)
    if spec.architecture != "portraitnet":
        known = ("portraitnet", *_PUBLISHED, *HEADS)
        raise InputError(f"unknown architecture {spec.architecture!r}; known: {', '.join(known)}")
    if spec.convolution not in ("separable", "plain"):
        raise InputError(f"model.convolution is {spec.convolution!r}; it must be separable or plain")
    if spec.auxiliary_head:
        raise InputError(f"model.auxiliary_head belongs to {', '.join(HEADS)}; portraitnet has edge_head")
    if spec.one_logit and len(spec.classes) != 2:
        raise InputError(f"model.one_logit tells two classes apart, not {len(spec.classes)}")
    if spec.padding not in ("torch", "tensorflow"):
        raise InputError(f"model.padding is {spec.padding!r}; it must be torch or tensorflow")
    encoder = build_encoder(spec.encoder, spec.encoder_weights, spec.paper_options, padding=spec.padding)
    return PortraitNet(
        encoder,
        encoder.feature_info.channels(),
        classes=len(spec.classes),
        convolution=spec.convolution,
        edge_head=spec.edge_head,
        one_logit=spec.one_logit,
        open_border=spec.open_border,
    )


def _build_published(spec: ModelSpec) -> nn.Module:
    """One of MediaPipe's networks, whose shape is given."""
    is_transformer = spec.architecture == "selfie_transformer"
    own = ModelSpec(
        architecture=spec.architecture,
        encoder=_PUBLISHED[spec.architecture],
        edge_head=not is_transformer and spec.edge_head,
        classes=spec.classes,
    )
    for field in fields(spec):
        if getattr(spec, field.name) != getattr(own, field.name):
            raise InputError(
                f"model.{field.name} is {getattr(spec, field.name)!r}, but {spec.architecture} has no choice of it: "
                f"{getattr(own, field.name)!r} is meant (trained weights go to run.start_from)"
            )
    classes = len(spec.classes)
    return SelfieTransformer(classes) if is_transformer else SelfieNet(classes, spec.edge_head)


def _build_dilated(spec: ModelSpec) -> nn.Module:
    if spec.paper_options or spec.one_logit or spec.open_border or spec.padding != "torch":
        raise InputError(
            "model.paper_options, one_logit, open_border and padding are PortraitNet's; leave them out here"
        )
    if spec.output_stride not in (8, 16):
        raise InputError(f"model.output_stride is {spec.output_stride}; it must be 8 or 16")
    encoder = build_encoder(spec.encoder, spec.encoder_weights, output_stride=spec.output_stride)
    channels = encoder.feature_info.channels()
    return DilatedNet(encoder, channels, spec.output_stride, spec.architecture, len(spec.classes), spec.auxiliary_head)


def check_size(spec: ModelSpec, size: tuple[int, int]) -> None:
    """Raise InputError for an input `size` (height, width) that the network's strides do not divide."""
    stride = {"selfie": 16, "selfie_transformer": STRIDE}.get(spec.architecture, 32)
    if any(side % stride for side in size):
        raise InputError(f"input size {size[0]}x{size[1]}: {spec.architecture} needs multiples of {stride}")


def without_training_heads(model: nn.Module) -> nn.Module:
    """A copy of what is deployed: the heads that only a loss looks at are gone."""
    model = copy.deepcopy(model)
    unused = ["edge_head"] if getattr(model, "regions_from_auxiliary", False) else ["edge_head", "auxiliary_head"]
    for name in unused:
        if getattr(model, name, None) is not None:
            setattr(model, name, None)
    return model


def complexity(model: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters, and multiply-accumulates for one picture of `size` (height, width), of what is deployed."""
    deployed = without_training_heads(model).eval()
    device = next(deployed.parameters()).device
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        deployed(torch.zeros(1, 3, *size, device=device))
    return sum(p.numel() for p in deployed.parameters()), counter.get_total_flops() // 2
