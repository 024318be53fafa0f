"""CoreML ML programs by coremltools: a picture in, for portraits a grey picture out.

Input "image" is RGB, H x W. Output "alpha" is a grey picture: programs of float16 arithmetic, which the Neural Engine
takes, give half floats of 0..1; those of float32 give bytes. For models of more classes it is "scores" (1 x classes x
H x W, 0..1). Weights are float32, float16, or int8 with a step for each channel.
Converting works on any system; the result is checked by export/mil.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..runtime.contract import METADATA_KEY, Contract
from ..runtime.geometry import FILL
from .graph import DeployedGraph, ScaledAlpha
from .quiet import quiet

INPUT, ALPHA, SCORES = "image", "alpha", "scores"
_SMALLEST_WEIGHT = 512  # elements; smaller tensors are not worth a step table
_FLOAT32 = ("fp32", "w8a32")
_ASPECTS = (1.0, 4 / 3, 16 / 9, 3 / 4, 9 / 16)  # width / height of cameras, upright and lying


def export_coreml(graph: DeployedGraph, contract: Contract, path: Path, precision: str) -> dict[str, Any]:
    """Write `graph` as an .mlpackage folder at `path`; the facts name the input sizes that it takes.

    A network without a fixed size inside takes several (`input_sizes`), and the contract's unless another is wanted;
    one with operators that coremltools converts at a known size alone takes the contract's.
    """
    with quiet():
        # coremltools imports tensorflow, and torchvision crashes when it comes after that one.
        import torchvision  # noqa: F401

        portrait = contract.task == "portrait"
        wide = precision in _FLOAT32
        module = (ScaledAlpha(graph) if portrait and wide else graph).eval()
        with torch.no_grad():
            traced = torch.jit.trace(module, torch.zeros(1, 3, *contract.size), check_trace=False)
        sizes = [size for size in input_sizes(contract) if size == contract.size or _same(module, traced, size)]
        try:
            model = _program(traced, sizes, portrait, wide)
        except ValueError:  # coremltools reads some operators at one known size alone
            if len(sizes) == 1:
                raise
            sizes = [contract.size]
            model = _program(traced, sizes, portrait, wide)
        model = _compressed(model, precision)
        what = "Person segmentation" if portrait else "Segmentation"
        height, width = contract.size
        model.short_description = f"{what}, {height}x{width} RGB to {ALPHA if portrait else SCORES}"
        model.user_defined_metadata[METADATA_KEY] = contract.without_artefacts().to_json()
        model.save(str(path))
    return {"input_sizes": [f"{height}x{width}" for height, width in sizes]}


def _program(traced: Any, sizes: list[tuple[int, int]], portrait: bool, wide: bool) -> Any:
    """The ML program of a traced graph that takes each of `sizes`, the first unless another is wanted."""
    import coremltools as ct

    shapes = [(1, 3, *size) for size in sizes]
    gray = ct.colorlayout.GRAYSCALE if wide else ct.colorlayout.GRAYSCALE_FLOAT16
    return ct.convert(
        traced,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT32 if wide else ct.precision.FLOAT16,
        inputs=[
            ct.ImageType(
                name=INPUT,
                shape=ct.EnumeratedShapes(shapes, default=shapes[0]) if len(shapes) > 1 else shapes[0],
                color_layout=ct.colorlayout.RGB,
            )
        ],
        outputs=[ct.ImageType(name=ALPHA, color_layout=gray) if portrait else ct.TensorType(name=SCORES)],
        skip_model_load=True,
    )


def input_sizes(contract: Contract) -> list[tuple[int, int]]:
    """(height, width) of the inputs worth having: the contract's, then those of cameras' shapes with as many pixels.

    A network that learned pictures stretched to its input knows no other shape.
    """
    if contract.geometry == FILL:
        return [contract.size]
    height, width = contract.size
    step = 16 if height % 32 or width % 32 else 32
    area = height * width
    shaped = [((area / aspect) ** 0.5, (area * aspect) ** 0.5) for aspect in _ASPECTS]
    rounded = [tuple(max(step, round(side / step) * step) for side in pair) for pair in shaped]
    return list(dict.fromkeys([contract.size, *((tall, broad) for tall, broad in rounded)]))


@torch.no_grad()
def _same(module: nn.Module, traced: Any, size: tuple[int, int]) -> bool:
    """Whether the traced graph holds nothing of the size that it was traced at."""
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)) * 255
    try:
        return torch.allclose(module(picture), traced(picture), atol=1e-4)
    except RuntimeError:  # a shape of the other size is inside
        return False


def _compressed(model: Any, precision: str) -> Any:
    """The model with its weights in fewer bits, where `precision` has it so."""
    import coremltools.optimize.coreml as compress

    if precision in ("int8", "w8a32"):
        steps = compress.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=_SMALLEST_WEIGHT
        )
        return compress.linear_quantize_weights(model, compress.OptimizationConfig(global_config=steps))
    return model
