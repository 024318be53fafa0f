"""PSPNet (Zhao et al., 2017): pyramid pooling on a dilated encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder

from .dilated import DilatedNet, DilatedSpec

_WIDTH = 512


@dataclass(frozen=True)
class PspNetSpec(DilatedSpec):
    """PSPNet with the head of segmentation_models_pytorch."""

    architecture: Literal["pspnet"] = "pspnet"

    def build(self) -> DilatedNet:
        encoder = self.build_encoder()
        channels = [3, *encoder.feature_info.channels()]
        head = PSPDecoder(channels, out_channels=_WIDTH)
        return DilatedNet(encoder, head, _WIDTH, len(self.classes), channels[-2] if self.auxiliary_head else 0)
