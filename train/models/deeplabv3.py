"""DeepLabV3 (Chen et al., 2017): atrous spatial pyramid pooling on a dilated encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder

from .dilated import RATES, WIDTH, DilatedNet, DilatedSpec


@dataclass(frozen=True)
class DeepLabV3Spec(DilatedSpec):
    """DeepLabV3 with the head of segmentation_models_pytorch."""

    architecture: Literal["deeplabv3"] = "deeplabv3"

    def build(self) -> DilatedNet:
        encoder = self.build_encoder()
        *_, last_but_one, deepest = encoder.feature_info.channels()
        head = DeepLabV3Decoder(deepest, WIDTH, RATES[self.output_stride], False, 0.5)
        return DilatedNet(encoder, head, WIDTH, len(self.classes), last_but_one if self.auxiliary_head else 0)
