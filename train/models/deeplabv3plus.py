"""DeepLabV3+ (Chen et al., 2018): DeepLabV3 with separable convolutions and a skip from 1/4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

from .dilated import RATES, WIDTH, DilatedNet, DilatedSpec


@dataclass(frozen=True)
class DeepLabV3PlusSpec(DilatedSpec):
    """DeepLabV3+ with the head of segmentation_models_pytorch."""

    architecture: Literal["deeplabv3plus"] = "deeplabv3plus"

    def build(self) -> DilatedNet:
        encoder = self.build_encoder()
        channels = [3, *encoder.feature_info.channels()]
        rates = RATES[self.output_stride]
        head = DeepLabV3PlusDecoder(channels, 5, WIDTH, rates, self.output_stride, True, 0.5)  # type: ignore[arg-type]
        return DilatedNet(encoder, head, WIDTH, len(self.classes), channels[-2] if self.auxiliary_head else 0)
