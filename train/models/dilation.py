"""Dilation as PSPNet's published code has it: the same in every block of a ResNet's stage.

timm's networks keep the smaller dilation in a stage's first block, as DeepLab's do.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from ...runtime.errors import InputError

_STAGES = {8: {"layer3": 2, "layer4": 4}, 16: {"layer4": 2}}  # by output stride


def dilate_every_block(encoder: Any, output_stride: int) -> None:
    """Give every block of the dilated stages the stage's dilation, in place.

    Of a bottleneck its 3x3 convolution takes it; of a basic block (ResNet18, 34) the first convolution alone. Raises
    InputError for what is no ResNet.
    """
    for stage, dilation in _STAGES[output_stride].items():
        for block in getattr(encoder, stage, []):
            if hasattr(block, "conv3"):
                _dilate(block.conv2, dilation)
            else:
                _dilate(block.conv1, dilation)
                _dilate(block.conv2, 1)
    if not hasattr(encoder, "layer4"):
        raise InputError("model.dilation = every_block is for ResNets; leave it at graded for other encoders")


def _dilate(convolution: nn.Conv2d, dilation: int) -> None:
    convolution.dilation = convolution.padding = (dilation, dilation)
