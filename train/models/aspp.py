"""Atrous spatial pyramid pooling (Chen et al., 2017) with any dilations, on a dilated encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from ...runtime.errors import InputError
from .dilated import WIDTH, DilatedNet, DilatedSpec, conv_bn_relu


@dataclass(frozen=True)
class AsppSpec(DilatedSpec):
    """A pyramid whose branches are `rates` apart: 1 is a 1x1 convolution, the others are 3x3."""

    architecture: Literal["aspp"] = "aspp"
    rates: tuple[int, ...] = (1, 2, 3, 6)
    image_pooling: bool = False  # one more branch, of the whole picture's mean

    def build(self) -> DilatedNet:
        check_rates(self.rates)
        encoder = self.build_encoder()
        *_, last_but_one, deepest = encoder.feature_info.channels()
        head = LastMap(AtrousPyramid(deepest, WIDTH, self.rates, self.image_pooling))
        return DilatedNet(encoder, head, WIDTH, len(self.classes), last_but_one if self.auxiliary_head else 0)


def check_rates(rates: Sequence[int]) -> None:
    """Refuse dilations that no convolution has."""
    if not rates or min(rates) < 1 or len(rates) > 8:
        raise InputError(f"model.rates is {list(rates)}; write 1 to 8 dilations of at least 1, as in [1, 12, 24, 36]")


class LastMap(nn.Module):
    """A head that reads the encoder's deepest map alone."""

    def __init__(self, pyramid: nn.Module) -> None:
        super().__init__()
        self.pyramid = pyramid

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return self.pyramid(features[-1])


class AtrousPyramid(nn.Module):
    """Parallel convolutions at several dilations, and a bottleneck over all; batch x channels -> batch x width.

    `separable` splits the dilated ones into depthwise and pointwise; `bottleneck` is the last one's kernel size.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        rates: Sequence[int],
        image_pooling: bool,
        separable: bool = False,
        bottleneck: int = 1,
    ) -> None:
        super().__init__()
        dilated = separable_conv if separable else _dilated_conv
        self.branches = nn.ModuleList(
            conv_bn_relu(channels, width) if rate == 1 else dilated(channels, width, rate) for rate in rates
        )
        self.pooled = conv_bn_relu(channels, width) if image_pooling else None
        self.bottleneck = conv_bn_relu((len(rates) + image_pooling) * width, width, bottleneck)
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [branch(x) for branch in self.branches]
        if self.pooled is not None:
            maps.append(_mean_of(x, self.pooled).expand_as(maps[0]))
        return self.dropout(self.bottleneck(torch.cat(maps, 1)))


def separable_conv(channels_in: int, channels_out: int, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3x3 and pointwise convolution, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, padding=dilation, dilation=dilation, groups=channels_in, bias=False),
        nn.BatchNorm2d(channels_in),
        nn.ReLU(inplace=True),
        *conv_bn_relu(channels_in, channels_out),
    )


def _dilated_conv(channels_in: int, channels_out: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def _mean_of(x: torch.Tensor, layers: nn.Module) -> torch.Tensor:
    """`layers` of the picture's mean. A batch of one picture has no variance there: its batch norm takes the running
    statistics."""
    mean = functional.adaptive_avg_pool2d(x, 1)
    if not (layers.training and len(x) == 1):
        return layers(mean)
    layers.eval()
    result = layers(mean)
    layers.train()
    return result
