"""CoreML ML programs by coremltools: a picture in, for portraits a grayscale picture out.

Input "image" is RGB, H x W. Output "alpha" is a grayscale picture of alpha times 255, or "scores"
(1 x classes x H x W, 0..1) for models of more classes. float32, float16, or int8 weights with float16 arithmetic.
Converting works on any system; the result is checked by export/mil.py.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..runtime.contract import METADATA_KEY, Contract
from .graph import DeployedGraph, ScaledAlpha
from .quiet import quiet

INPUT, ALPHA, SCORES = "image", "alpha", "scores"
_SMALLEST_WEIGHT = 512  # elements; smaller tensors are not worth a step table


def export_coreml(graph: DeployedGraph, contract: Contract, path: Path, precision: str) -> None:
    """Write `graph` as an .mlpackage folder at `path`; int8 quantises the weights only."""
    with quiet():
        # coremltools imports tensorflow, and torchvision crashes when it comes after that one.
        import torchvision  # noqa: F401, I001
        import coremltools as ct
        import coremltools.optimize.coreml as compress

        height, width = contract.size
        shape = (1, 3, height, width)
        portrait = contract.task == "portrait"
        with torch.no_grad():
            traced = torch.jit.trace((ScaledAlpha(graph) if portrait else graph).eval(), torch.zeros(shape))
        gray = ct.colorlayout.GRAYSCALE
        model = ct.convert(
            traced,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=ct.precision.FLOAT32 if precision == "fp32" else ct.precision.FLOAT16,
            inputs=[ct.ImageType(name=INPUT, shape=shape, color_layout=ct.colorlayout.RGB)],
            outputs=[ct.ImageType(name=ALPHA, color_layout=gray) if portrait else ct.TensorType(name=SCORES)],
            skip_model_load=True,
        )
        if precision == "int8":
            steps = compress.OpLinearQuantizerConfig(
                mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=_SMALLEST_WEIGHT
            )
            model = compress.linear_quantize_weights(model, compress.OptimizationConfig(global_config=steps))
        what = "Person segmentation" if portrait else "Segmentation"
        model.short_description = f"{what}, {height}x{width} RGB to {ALPHA if portrait else SCORES}"
        model.user_defined_metadata[METADATA_KEY] = contract.without_artefacts().to_json()
        model.save(str(path))
