"""DeepLabV3+ as mmsegmentation has it: a separable pyramid of 512 channels with a 3x3 bottleneck, a skip from 1/4.

With ResNet50-v1c (timm's resnet50c), 19 classes and the auxiliary head it has 43,589,878 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from .aspp import AtrousPyramid, check_rates, separable_conv
from .dilated import DilatedNet, DilatedSpec, conv_bn_relu

_WIDTH, _SKIP = 512, 48


@dataclass(frozen=True)
class SepAsppSpec(DilatedSpec):
    """mmsegmentation's DepthwiseSeparableASPPHead, with its FCNHead where `auxiliary_head` is set."""

    architecture: Literal["sep_aspp"] = "sep_aspp"
    rates: tuple[int, ...] = (1, 12, 24, 36)

    def build(self) -> DilatedNet:
        check_rates(self.rates)
        encoder = self.build_encoder()
        channels = encoder.feature_info.channels()
        head = SeparableHead(channels[1], channels[-1], self.rates)
        return DilatedNet(encoder, head, _WIDTH, len(self.classes), channels[-2] if self.auxiliary_head else 0)


class SeparableHead(nn.Module):
    """The encoder's maps -> batch x 512 at 1/4."""

    def __init__(self, quarter: int, deepest: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.pyramid = AtrousPyramid(deepest, _WIDTH, rates, image_pooling=True, separable=True, bottleneck=3)
        self.pyramid.dropout = nn.Dropout2d(0)  # this head drops features once, before its scores
        self.skip = conv_bn_relu(quarter, _SKIP)
        self.fuse = nn.Sequential(
            separable_conv(_WIDTH + _SKIP, _WIDTH), separable_conv(_WIDTH, _WIDTH), nn.Dropout2d(0.1)
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        skip = self.skip(features[2])
        context = self.pyramid(features[-1])
        context = functional.interpolate(context, size=skip.shape[2:], mode="bilinear", align_corners=False)
        return self.fuse(torch.cat([context, skip], 1))
