"""The rivals of semantic segmentation: a dilated encoder, a head that looks far around, bilinear upsampling.

DeepLabV3 and V3+ (Chen et al., 2017, 2018) and PSPNet (Zhao et al., 2017) take their heads from
segmentation_models_pytorch; OCR (Yuan et al., 2020) is written out here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder, DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from torch import nn
from torch.nn import functional

from .portraitnet import Logits

HEADS = ("deeplabv3", "deeplabv3plus", "pspnet", "ocr")
_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}  # of the papers, by output stride
_WIDTH = 256
_PSP_WIDTH = 512


class DilatedNet(nn.Module):
    """`encoder` gives maps of `encoder_channels`, the deepest at `output_stride`; `head` is one of HEADS.

    With `auxiliary`, a small fully convolutional head reads the last map but one, in training only. OCR always
    has it: its regions are that head's.
    """

    def __init__(
        self,
        encoder: nn.Module,
        encoder_channels: Sequence[int],
        output_stride: int,
        head: str,
        classes: int,
        auxiliary: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        channels = [3, *encoder_channels]
        width = _PSP_WIDTH if head == "pspnet" else _WIDTH
        self.head: nn.Module
        if head == "deeplabv3":
            self.head = DeepLabV3Decoder(channels[-1], width, _RATES[output_stride], False, 0.5)
        elif head == "deeplabv3plus":
            rates = _RATES[output_stride]
            self.head = DeepLabV3PlusDecoder(channels, 5, width, rates, output_stride, True, 0.5)  # type: ignore[arg-type]
        elif head == "pspnet":
            self.head = PSPDecoder(channels, out_channels=width)
        else:
            self.head = ObjectContext(channels[-1], width)
        self.regions_from_auxiliary = head == "ocr"
        self.mask_head = nn.Conv2d(width, classes, 1)
        self.auxiliary_head = (
            fully_convolutional(channels[-2], classes) if auxiliary or self.regions_from_auxiliary else None
        )

    def forward(self, x: torch.Tensor) -> Logits:
        """Normalised RGB batch x 3 x H x W (multiples of 32) -> Logits at the same size."""
        features = [x, *self.encoder(x)]
        auxiliary = self.auxiliary_head(features[-2]) if self.auxiliary_head is not None else None
        if isinstance(self.head, ObjectContext):
            assert auxiliary is not None
            seen = self.head(features[-1], auxiliary)
        else:
            seen = self.head(features)
        size = x.shape[2:]
        return Logits(
            _resize(self.mask_head(seen), size), None, None if auxiliary is None else _resize(auxiliary, size)
        )


class ObjectContext(nn.Module):
    """Each pixel attends to the classes' mean features, over the regions that rough logits outline."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        key = width // 2
        self.pixels = _conv(channels, width, 3)
        self.query = nn.Sequential(_conv(width, key), _conv(key, key))
        self.key = nn.Sequential(_conv(width, key), _conv(key, key))
        self.value = _conv(width, key)
        self.context = _conv(key, width)
        self.fuse = nn.Sequential(_conv(2 * width, width), nn.Dropout2d(0.05))
        self.scale = key**-0.5

    def forward(self, features: torch.Tensor, rough: torch.Tensor) -> torch.Tensor:
        """Features batch x channels x h x w and rough logits batch x classes x h x w -> batch x width x h x w."""
        pixels = self.pixels(features)
        height, width = pixels.shape[2:]
        # Written as einsum: of a plain product converters make a layer with changing weights, which phones lack.
        share = rough.flatten(2).softmax(2)  # of each class, over the pixels
        regions = torch.einsum("bkp,bcp->bck", share, pixels.flatten(2)).unsqueeze(3)
        query, key = self.query(pixels).flatten(2), self.key(regions).flatten(2)
        attention = (torch.einsum("bcp,bck->bpk", query, key) * self.scale).softmax(2)
        context = torch.einsum("bpk,bck->bcp", attention, self.value(regions).flatten(2))
        context = self.context(context.unflatten(2, (height, width)))
        return self.fuse(torch.cat([context, pixels], 1))


def fully_convolutional(channels: int, classes: int) -> nn.Sequential:
    """FCN head (Long et al., 2015) as the papers use it for the auxiliary loss."""
    return nn.Sequential(_conv(channels, channels // 4, 3), nn.Dropout(0.1), nn.Conv2d(channels // 4, classes, 1))


def _conv(channels_in: int, channels_out: int, kernel: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def _resize(logits: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
