"""The segmentation networks of a published comparison on Cityscapes: their recipes, and the mIoU stated there.

The scores are not ours but a course report's (CUHK ENGG5104). It has 34, 79 and 22 ms for a batch of PSPNet with
ResNet18, ResNet50 and MobileNetV2 on a 2080 Ti.
"""

from __future__ import annotations

from dataclasses import replace

from ...train.models import ModelSpec
from ...train.recipe import load_recipe

SIZE = (512, 512)  # input of the comparison: the papers' 473, to the next multiple of 32
PUBLISHED_MIOU = {
    "pspnet_resnet18_cityscapes": 0.6289,
    "pspnet_resnet50_cityscapes": 0.6897,
    "pspnet_resnet101_cityscapes": 0.7107,
    "pspnet_mobilenetv2_cityscapes": 0.5925,
    "pspnet_mobilenetv3_cityscapes": 0.5682,
    "aspp_resnet18_cityscapes": 0.6209,
    "ocr_resnet18_cityscapes": 0.6186,
}


def published_spec(name: str) -> ModelSpec:
    """The network of one of these recipes, without weights."""
    return replace(load_recipe(name).model, encoder_weights="none")
