"""OCR (Yuan et al., 2020): object-contextual representations on a dilated encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from .dilated import WIDTH, DilatedNet, DilatedSpec, conv_bn_relu


@dataclass(frozen=True)
class OcrSpec(DilatedSpec):
    """OCR. Its auxiliary head outlines the regions, so it always has one and deploys it."""

    architecture: Literal["ocr"] = "ocr"

    def build(self) -> OcrNet:
        encoder = self.build_encoder()
        *_, last_but_one, deepest = encoder.feature_info.channels()
        return OcrNet(encoder, ObjectContext(deepest, WIDTH), WIDTH, len(self.classes), last_but_one)


class OcrNet(DilatedNet):
    """A dilated network whose head attends to the regions that the auxiliary head outlines."""

    regions_from_auxiliary = True

    def context(self, features: list[torch.Tensor], auxiliary: torch.Tensor | None) -> torch.Tensor:
        return self.head(features[-1], auxiliary)


class ObjectContext(nn.Module):
    """Each pixel attends to the classes' mean features, over the regions that rough logits outline."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        key = width // 2
        self.pixels = conv_bn_relu(channels, width, 3)
        self.query = nn.Sequential(conv_bn_relu(width, key), conv_bn_relu(key, key))
        self.key = nn.Sequential(conv_bn_relu(width, key), conv_bn_relu(key, key))
        self.value = conv_bn_relu(width, key)
        self.context = conv_bn_relu(key, width)
        self.fuse = nn.Sequential(conv_bn_relu(2 * width, width), nn.Dropout2d(0.05))
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
