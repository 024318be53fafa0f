"""What DeepLabV3, DeepLabV3+, PSPNet and OCR share: a dilated encoder, a head with context, bilinear upsampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional

from .base import Logits, ModelSpec
from .dilation import dilate_every_block
from .encoders import build_encoder

RATES = {8: (12, 24, 36), 16: (6, 12, 18)}  # the papers' dilations of ASPP, by output stride
WIDTH = 256


@dataclass(frozen=True)
class DilatedSpec(ModelSpec):
    """The options of every network with a dilated encoder."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"edge_head", "convolution"})

    output_stride: Literal[8, 16] = 8  # of the encoder's deepest map
    # graded: a stage's first block has the dilation of the stage before (DeepLab, timm); every_block: none has (PSPNet)
    dilation: Literal["graded", "every_block"] = "graded"
    auxiliary_head: bool = False  # a second head on the last map but one, used in training only

    def build_encoder(self) -> Any:
        """The timm encoder; `feature_info.channels()` are the widths of its five maps."""
        encoder = build_encoder(self.encoder, self.encoder_weights, output_stride=self.output_stride)
        if self.dilation == "every_block":
            dilate_every_block(encoder, self.output_stride)
        return encoder


class DilatedNet(nn.Module):
    """`head` maps the picture and the encoder's maps to `width` channels; the mask head scores them.

    `auxiliary_channels` is the width of the last map but one, which a small fully convolutional head reads in
    training; 0 for none.
    """

    regions_from_auxiliary = False  # True where the deployed network needs the auxiliary head

    def __init__(
        self, encoder: nn.Module, head: nn.Module, width: int, classes: int, auxiliary_channels: int = 0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.mask_head = nn.Conv2d(width, classes, 1)
        self.auxiliary_head = fully_convolutional(auxiliary_channels, classes) if auxiliary_channels else None

    def forward(self, x: torch.Tensor) -> Logits:
        """Normalised RGB batch x 3 x H x W (multiples of 32) -> Logits at the same size."""
        features = [x, *self.encoder(x)]
        auxiliary = self.auxiliary_head(features[-2]) if self.auxiliary_head is not None else None
        context = self.context(features, auxiliary)
        size = x.shape[2:]
        return Logits(
            _resize(self.mask_head(context), size), None, None if auxiliary is None else _resize(auxiliary, size)
        )

    def context(self, features: list[torch.Tensor], auxiliary: torch.Tensor | None) -> torch.Tensor:
        """The head's map, batch x width x h x w, of the picture and the encoder's maps."""
        return self.head(features)


def fully_convolutional(channels: int, classes: int) -> nn.Sequential:
    """FCN head (Long et al., 2015) as the papers use it for the auxiliary loss."""
    return nn.Sequential(
        conv_bn_relu(channels, channels // 4, 3), nn.Dropout(0.1), nn.Conv2d(channels // 4, classes, 1)
    )


def conv_bn_relu(channels_in: int, channels_out: int, kernel: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def _resize(logits: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
