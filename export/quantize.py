"""Precisions of TFLite by ai-edge-quantizer: float16 weights, int8 weights, int8 or int16 activations, and a mixture.

The mixture ("int8-mixed") is int8 but for the few operators without which the masks of the calibration pictures
differ from float's. Operators are ranked by what quantising each alone does to the scores, and the shortest head of
that list that satisfies the gate stays float32.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.utils import qsv_utils

from ..runtime.backends.announcements import allocate
from ..runtime.errors import InputError
from ..runtime.metrics import iou
from . import flatbuffer
from .quiet import quiet

SIGNATURE, INPUT = "serving_default", "args_0"
_INPUT_TENSOR = f"{SIGNATURE}_{INPUT}"
_LOGIT = 8.0  # 255 times the sigmoid of -8 is 0.09
_ENOUGH_IOU = 0.993  # on calibration pictures, so that the gate's 0.99 holds on others
_SEARCH_PICTURES = 16
_RANKING_PICTURES = 3
_Operation = qtyping.TFLOperationName


class Quantizer:
    """Quantises the bytes of one float32 .tflite; `pictures` (uint8 H x W x 3) give the ranges of activations."""

    def __init__(self, content: bytes, pictures: Sequence[np.ndarray] = (), threads: int = 2) -> None:
        self.content, self.pictures, self.threads = content, list(pictures), threads
        self._ranges: dict[str, dict[str, Any]] = {}

    def quantize(self, precision: str) -> tuple[bytes, list[str]]:
        """The quantised bytes, and the operators that stayed float32 (of "int8-mixed")."""
        if precision == "int8-mixed":
            return self._mixed()
        rules = {
            "fp16": _half_weights,
            "w8a32": recipe.weight_only_wi8_afp32,
            "w8a16": _int16_activations,
            "int8": recipe.static_wi8_ai8,
        }[precision]()
        # int16 has steps to spare: what a picture not among these exceeds them by is not cut off.
        return self._apply(rules, "wide" if precision == "w8a16" else "average"), []

    def _apply(self, rules: Any, ranges: str = "average") -> bytes:
        tool = quantizer.Quantizer(self.content)
        tool.load_quantization_recipe(rules)
        with quiet():
            found = self._calibrated(rules, ranges) if tool.need_calibration else None
            return bytes(tool.quantize(found, enable_progress_report=False).quantized_model)

    def _calibrated(self, rules: Any, ranges: str) -> dict[str, Any]:
        """Ranges of all activations, read once: the pictures' "average" or "extreme" ones, or twice the latter."""
        if ranges not in self._ranges:
            update = qsv_utils.moving_average_update if ranges == "average" else qsv_utils.min_max_update
            seen = calibrator.Calibrator(self.content, num_threads=self.threads, qsv_update_func=update)
            data = ({INPUT: picture[None].astype(np.float32)} for picture in self.pictures)
            manager = recipe_manager.RecipeManager()
            manager.load_quantization_recipe(rules)
            seen.calibrate({SIGNATURE: list(data)}, manager)
            found = seen.get_model_qsvs()
            if ranges == "wide":
                for one in found.values():
                    one["min"], one["max"] = one["min"] * 2, one["max"] * 2
            if _INPUT_TENSOR in found:
                # A byte is a byte, whatever the darkest and brightest calibration pixel were.
                picture_range = found[_INPUT_TENSOR]
                picture_range["min"] = np.zeros_like(picture_range["min"])
                picture_range["max"] = np.full_like(picture_range["max"], 255)
            # Beyond these the output byte does not change, so the steps are better spent on what is in doubt.
            for name in _sigmoid_inputs(self.content):
                found[name]["min"] = np.maximum(found[name]["min"], -_LOGIT)
                found[name]["max"] = np.minimum(found[name]["max"], _LOGIT)
            self._ranges[ranges] = found
        return self._ranges[ranges]

    def _mixed(self) -> tuple[bytes, list[str]]:
        """The shortest head of the ranking that passes, found by doubling and then halving the step."""
        seen = self.pictures[:_SEARCH_PICTURES]
        wanted = [_run(self.content, picture) for picture in seen]
        fulls = {ranges: self._apply(_without(()), ranges) for ranges in ("average", "extreme")}
        ranges = max(fulls, key=lambda ranges: self._agreement(fulls[ranges], wanted))
        if self._agrees(fulls[ranges], wanted):
            return fulls[ranges], []
        ranked = self._ranked(wanted[:_RANKING_PICTURES], ranges)
        failing, passing = 0, 1
        while not self._agrees(found := self._apply(_without(ranked[:passing]), ranges), wanted):
            if passing == len(ranked):
                raise InputError("int8-mixed: the masks differ even with every operator in float32; export fp16")
            failing, passing = passing, min(2 * passing, len(ranked))
        while passing - failing > 1:
            middle = (passing + failing) // 2
            content = self._apply(_without(ranked[:middle]), ranges)
            if self._agrees(content, wanted):
                passing, found = middle, content
            else:
                failing = middle
        return found, ranked[:passing]

    def _ranked(self, wanted: Sequence[np.ndarray], ranges: str) -> list[str]:
        """Operators by their output's name, those first that change the scores most when they alone are int8."""
        graph = flatbuffer.read(self.content).subgraphs[0]
        harm = {}
        for name in (graph.tensors[op.outputs[0]].name.decode() for op in graph.operators):
            content = self._apply(_only(name), ranges)
            found = [_run(content, picture) for picture in self.pictures[: len(wanted)]]
            harm[name] = float(np.mean([np.abs(a - b).mean() for a, b in zip(found, wanted, strict=True)]))
        return sorted(harm, key=lambda name: -harm[name])

    def _agrees(self, content: bytes, wanted: Sequence[np.ndarray]) -> bool:
        """Whether the masks agree well enough to pass the gate on other pictures."""
        return self._agreement(content, wanted) >= _ENOUGH_IOU

    def _agreement(self, content: bytes, wanted: Sequence[np.ndarray]) -> float:
        """IoU of the masks with those of float32, the pixels of all pictures pooled; averaged over several classes."""
        found = [_run(content, picture) for picture in self.pictures[: len(wanted)]]
        if wanted[0].shape[-1] == 1:
            return iou(np.stack(found) > 0.5, np.stack(wanted) > 0.5)
        a, b = np.stack(found).argmax(-1), np.stack(wanted).argmax(-1)
        return float(np.mean([iou(a == label, b == label) for label in np.unique(b)]))


def _run(content: bytes, picture: np.ndarray) -> np.ndarray:
    """The scores (float32 H x W x C) of one picture by a model with float32 ends."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    allocate(interpreter)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(taken["index"], picture[None].astype(np.float32))
    interpreter.invoke()
    return interpreter.get_tensor(given["index"])[0]


def _only(name: str) -> Any:
    """float32 throughout but for the operator with this output, which is int8."""
    rules = recipe_manager.RecipeManager()
    rules.add_static_config(
        regex=_scope(name), operation_name=_Operation.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8
    )
    for end in (_Operation.INPUT, _Operation.OUTPUT):
        rules.add_quantization_config(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return rules.get_quantization_recipe()


def _scope(name: str) -> str:
    return rf"(^|;){re.escape(name)}(;|$)"


def _without(kept: Sequence[str]) -> Any:
    """int8 between float32 ends, but for the operators with these outputs."""
    rules = _between_float_ends(recipe.static_wi8_ai8())
    for name in kept:
        rules.add_quantization_config(_scope(name), _Operation.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return rules.get_quantization_recipe()


def _int16_activations() -> Any:
    """int8 weights and int16 activations between a float32 input and a float32 output."""
    return _between_float_ends(recipe.static_wi8_ai16()).get_quantization_recipe()


def _between_float_ends(inner: Any) -> Any:
    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(inner)
    for end in (_Operation.INPUT, _Operation.OUTPUT):
        rules.add_quantization_config(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return rules


def _half_weights() -> Any:
    rules = recipe_manager.RecipeManager()
    half = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    for operation in (_Operation.CONV_2D, _Operation.DEPTHWISE_CONV_2D):
        rules.add_quantization_config(".*", operation, half, algorithm_key=AlgorithmName.FLOAT_CASTING)
    return rules.get_quantization_recipe()


def _sigmoid_inputs(content: bytes) -> list[str]:
    """The name of the logits, where the model's output is their sigmoid."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    return [
        graph.tensors[op.inputs[0]].name.decode()
        for op in graph.operators
        if op.outputs[0] in graph.outputs and flatbuffer.operator_name(model, op) == "LOGISTIC"
    ]
