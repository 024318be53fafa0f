"""The network of MediaPipe's selfie segmentation: MobileNetV3-like encoder, gated skips, 0.1 million parameters.

Known from its model card ("MobileNetV3-like backbone with customised decoder blocks") and from the published graph.
`portraitnet.train.pretrained.mediapipe` writes that graph's weights for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.models._efficientnet_blocks import InvertedResidual, SqueezeExcite
from torch import nn
from torch.nn import functional

from .base import Logits, ModelSpec
from .encoders import refuse_encoder_weights
from .padding import BlackBorderStem

_STEM = 16
# Kernel, stride, hidden channels, channels, channels of the squeeze (0: none), activation; by resolution.
_BLOCKS = (
    ((3, 2, 16, 16, 8, nn.ReLU),),
    ((3, 2, 72, 24, 0, nn.ReLU), (3, 1, 88, 24, 0, nn.ReLU)),
    (
        (5, 2, 96, 32, 24, nn.Hardswish),
        (5, 1, 128, 32, 32, nn.Hardswish),
        (5, 1, 128, 32, 32, nn.Hardswish),
        (5, 1, 96, 32, 24, nn.Hardswish),
        (5, 1, 96, 32, 24, nn.Hardswish),
    ),
)
_CONTEXT = 128
_SKIPS = (24, 16, 16)  # at 1/8, 1/4 and 1/2


@dataclass(frozen=True)
class SelfieSpec(ModelSpec):
    """MediaPipe's selfie network. Its published weights go to run.start_from."""

    stride: ClassVar[int] = 16

    architecture: Literal["selfie"] = "selfie"
    encoder: Literal["mobilenetv3_selfie"] = "mobilenetv3_selfie"
    edge_head: bool = True  # predicts boundaries, in training only

    def build(self) -> SelfieNet:
        refuse_encoder_weights(self)
        return SelfieNet(len(self.classes), self.edge_head)


class SelfieEncoder(nn.Module):
    """Normalised RGB batch x 3 x H x W -> maps of 16, 16, 24 and 32 channels at strides 2, 4, 8 and 16.

    Strided convolutions pad at the end, as in TensorFlow; the first one with black.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = BlackBorderStem(Conv2dSame(3, _STEM, 3, stride=2, bias=False))
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.act1 = nn.Hardswish()
        stages, width = [], _STEM
        for stage in _BLOCKS:
            blocks = []
            for kernel, stride, hidden, channels, squeeze, activation in stage:
                gate: Any = partial(SqueezeExcite, rd_channels=squeeze, force_act_layer=nn.ReLU) if squeeze else None
                blocks.append(
                    InvertedResidual(
                        width,
                        channels,
                        dw_kernel_size=kernel,
                        stride=stride,
                        pad_type="same" if stride > 1 else "",
                        exp_ratio=hidden / width,
                        act_layer=activation,
                        se_layer=gate,
                    )
                )
                width = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = [self.act1(self.bn1(self.conv_stem(x)))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class GatedSkip(nn.Module):
    """The deeper map, twice as large, plus the encoder's map weighted per channel by what both show; then two
    convolutions. (The published graph enlarges before its 1x1 convolution: the same numbers for four times the work.)
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.reduce = _convolution(channels_in, channels)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1)
        )
        self.mix = nn.Sequential(*_convolution(channels, channels), nn.ReLU())
        self.smooth = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, deeper: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        deeper = functional.interpolate(self.reduce(deeper), scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed = self.mix(skip * torch.sigmoid(self.gate(skip + deeper)) + deeper)
        return mixed + self.smooth(mixed)


class SelfieNet(nn.Module):
    """Encoder, a pooled context gate at 1/16, three gated skips, and a 2x2 transposed convolution for the mask.

    Of two classes the mask's head gives the person's logit alone; the background's is zero.
    """

    def __init__(self, classes: int = 2, edge_head: bool = True) -> None:
        super().__init__()
        self.encoder = SelfieEncoder()
        width = _BLOCKS[-1][-1][3]
        self.context = nn.Sequential(*_convolution(width, _CONTEXT), nn.ReLU())
        self.context_gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, _CONTEXT, 1))
        widths = (_CONTEXT, *_SKIPS)
        self.skips = nn.ModuleList(GatedSkip(widths[k], widths[k + 1]) for k in range(len(_SKIPS)))
        self.one_logit = classes == 2
        self.mask_head = nn.ConvTranspose2d(_SKIPS[-1], 1 if self.one_logit else classes, 2, stride=2)
        self.edge_head = nn.ConvTranspose2d(_SKIPS[-1], 2, 2, stride=2) if edge_head else None
        if self.edge_head is not None:  # published weights give it inputs of up to a hundred
            nn.init.zeros_(self.edge_head.weight)

    def forward(self, x: torch.Tensor) -> Logits:
        """Normalised RGB batch x 3 x H x W (multiples of 16) -> Logits at the same size."""
        *skips, deepest = self.encoder(x)
        x = self.context(deepest) * torch.sigmoid(self.context_gate(deepest))
        for block, skip in zip(self.skips, reversed(skips), strict=True):
            x = block(x, skip)
        mask = self.mask_head(x)
        if self.one_logit:
            mask = torch.cat([torch.zeros_like(mask), mask], 1)
        return Logits(mask, self.edge_head(x) if self.edge_head is not None else None)


def _convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))
