"""Precisions of TFLite by ai-edge-quantizer: float16 weights, int8 weights, int8 or int16 activations, and a mixture.

The mixture ("int8-mixed") is int8 but for the few operators without which the masks of the calibration pictures
differ from float's: operators are ranked by the error that each adds, and the shortest head of that list that
satisfies the gate stays float32.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.utils import qsv_utils

from ..runtime.errors import InputError
from ..runtime.metrics import iou
from . import flatbuffer
from .quiet import quiet

SIGNATURE, INPUT = "serving_default", "args_0"
_INPUT_TENSOR = f"{SIGNATURE}_{INPUT}"
_LOGIT = 8.0  # 255 times the sigmoid of -8 is 0.09
_ENOUGH_IOU = 0.993  # on calibration pictures, so that the gate's 0.99 holds on others
_SEARCH_PICTURES = 16
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
        wanted = [_run(self.content, picture)[0] for picture in seen]
        fulls = {ranges: self._apply(recipe.static_wi8_ai8(), ranges) for ranges in ("average", "extreme")}
        ranges = max(fulls, key=lambda ranges: self._agreement(fulls[ranges], wanted))
        if self._agrees(fulls[ranges], wanted):
            return fulls[ranges], []
        ranked = _ranked(self.content, fulls[ranges], seen[:4])
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

    def _agrees(self, content: bytes, wanted: Sequence[np.ndarray]) -> bool:
        """Whether the masks agree well enough to pass the gate on other pictures."""
        return self._agreement(content, wanted) >= _ENOUGH_IOU

    def _agreement(self, content: bytes, wanted: Sequence[np.ndarray]) -> float:
        """IoU of the masks with those of float32, the pixels of all pictures pooled; averaged over several classes."""
        found = [_run(content, picture)[0] for picture in self.pictures[: len(wanted)]]
        if wanted[0].shape[-1] == 1:
            return iou(np.stack(found) > 0.5, np.stack(wanted) > 0.5)
        a, b = np.stack(found).argmax(-1), np.stack(wanted).argmax(-1)
        return float(np.mean([iou(a == label, b == label) for label in np.unique(b)]))


def _ranked(plain: bytes, quantized: bytes, pictures: Sequence[np.ndarray]) -> list[str]:
    """Operators of the float model by their output's name, those that add most relative error first."""
    errors: dict[str, float] = {}
    for picture in pictures:
        (_, a), (_, b) = _run(plain, picture, keep=True), _run(quantized, picture, keep=True)
        for name in a.keys() & b.keys():
            if a[name].shape == b[name].shape:
                power = float(np.square(a[name]).mean()) + 1e-12
                errors[name] = errors.get(name, 0.0) + float(np.square(b[name] - a[name]).mean()) / power
    model = flatbuffer.read(plain)
    graph = model.subgraphs[0]
    added = []
    for op in graph.operators:
        name = graph.tensors[op.outputs[0]].name.decode()
        given = [errors.get(graph.tensors[tensor].name.decode(), 0.0) for tensor in op.inputs if tensor >= 0]
        if op.outputs[0] not in graph.outputs:  # the output's own steps are the contract's
            added.append((errors.get(name, 0.0) - max(given, default=0.0), name))
    return [name for _, name in sorted(added, key=lambda entry: -entry[0])]


def _run(content: bytes, picture: np.ndarray, keep: bool = False) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The scores (H x W x C) of one picture, and with `keep` every tensor by name, all as float32."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    options: dict[str, Any] = {}
    if keep:  # XNNPACK shows nothing of what lies between
        options = {
            "experimental_preserve_all_tensors": True,
            "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        }
    interpreter = Interpreter(model_content=content, num_threads=1, **options)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    pixels = picture[None].astype(np.float32)
    # int8 holds a byte minus 128.
    interpreter.set_tensor(taken["index"], (pixels - 128).astype(np.int8) if taken["dtype"] == np.int8 else pixels)
    interpreter.invoke()
    details = interpreter.get_tensor_details() if keep else [given]
    values = {detail["name"]: _floats(interpreter, detail) for detail in details if detail["shape"].size}
    return values[given["name"]][0], values


def _floats(interpreter: Any, detail: dict[str, Any]) -> np.ndarray:
    try:
        value = interpreter.get_tensor(detail["index"])
    except ValueError:  # a tensor without memory of its own
        return np.zeros(0, np.float32)
    scale, zero = detail["quantization"]
    return (value.astype(np.float32) - zero) * np.float32(scale) if scale else value.astype(np.float32)


def _without(kept: Sequence[str]) -> Any:
    """int8 throughout but for the operators with these outputs."""
    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(recipe.static_wi8_ai8())
    for name in kept:
        scope = rf"(^|;){re.escape(name)}(;|$)"
        rules.add_quantization_config(scope, _Operation.ALL_SUPPORTED, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return rules.get_quantization_recipe()


def _int16_activations() -> Any:
    """int8 weights and int16 activations between a float32 input and a float32 output."""
    rules = recipe_manager.RecipeManager()
    rules.load_quantization_recipe(recipe.static_wi8_ai16())
    for end in (_Operation.INPUT, _Operation.OUTPUT):
        rules.add_quantization_config(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return rules.get_quantization_recipe()


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
