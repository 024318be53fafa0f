"""How much memory a .tflite will take for its tensors, read from the file before anything is allocated.

A file of a thousand bytes can name tensors of gigabytes. ONNX Runtime has a limit of its own for this (see onnx.py).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

MAX_TENSOR_BYTES = 2 << 30  # at one time; the largest network here takes a quarter of it at 1024x1024
_UNKNOWN_TYPE = 16  # bytes an element, for types that are not listed
_BYTES = {"FLOAT32": 4, "FLOAT16": 2, "INT32": 4, "UINT8": 1, "INT64": 8, "BOOL": 1, "INT16": 2, "INT8": 1,
          "UINT32": 4, "UINT16": 2, "INT4": 1, "FLOAT64": 8}  # fmt: skip
# The output's height and width, or its repetitions, stand in an operand: the rest comes from the first input.
_FROM_OPERAND = {"RESIZE_BILINEAR": 1, "RESIZE_NEAREST_NEIGHBOR": 1, "TILE": 1, "RESHAPE": 1, "BROADCAST_TO": 1,
                 "FILL": 0, "TRANSPOSE_CONV": 0}  # fmt: skip


def peak_tensor_bytes(model: Any) -> int:
    """Largest sum of the activations that live at one time, over all subgraphs of a schema.Model.

    A tensor lives from the operator that writes it to the last one that reads it. Where an operator computes its
    output's shape from an operand, the larger of this shape and the declared one counts.
    """
    return sum(_peak(model, model.Subgraphs(index)) for index in range(model.SubgraphsLength()))


def _peak(model: Any, graph: Any) -> int:
    count = graph.OperatorsLength()
    first: dict[int, int] = {int(t): -1 for t in _indices(graph.InputsAsNumpy())}
    last: dict[int, int] = {int(t): count for t in _indices(graph.OutputsAsNumpy())}
    computed: dict[int, int] = {}
    for step in range(count):
        operator = graph.Operators(step)
        inputs, outputs = _indices(operator.InputsAsNumpy()), _indices(operator.OutputsAsNumpy())
        for tensor in inputs:
            last[tensor] = max(last.get(tensor, step), step)
        for tensor in outputs:
            first.setdefault(tensor, step)
            computed[tensor] = _elements_by_operand(model, graph, operator, inputs)
    changes = np.zeros(count + 3, object)
    for tensor, start in first.items():
        entry = graph.Tensors(tensor)
        size = max(_elements(entry), computed.get(tensor, 0)) * _BYTES.get(_type(entry), _UNKNOWN_TYPE)
        changes[start + 1] += size
        changes[max(last.get(tensor, start), start) + 2] -= size
    return int(max(np.cumsum(changes), default=0))


def _elements_by_operand(model: Any, graph: Any, operator: Any, inputs: list[int]) -> int:
    name = _operator_name(model, operator)
    place = _FROM_OPERAND.get(name)
    if place is None or place >= len(inputs):
        return 0
    tensor = graph.Tensors(inputs[place])
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataIsNone() or _type(tensor) not in ("INT32", "INT64"):
        return 0
    values = np.frombuffer(buffer.DataAsNumpy().tobytes(), np.int32 if _type(tensor) == "INT32" else np.int64)
    elements = math.prod(max(1, abs(int(value))) for value in values)
    given = graph.Tensors(inputs[0])
    if name == "TILE":
        return elements * _elements(given)
    return elements * _shape(given)[-1] if name.startswith("RESIZE") and _shape(given) else elements


def _indices(values: Any) -> list[int]:
    """Tensor numbers; a missing list reads as 0, and -1 stands for an operand left out."""
    return [int(value) for value in np.atleast_1d(values) if value >= 0] if isinstance(values, np.ndarray) else []


def _shape(tensor: Any) -> list[int]:
    return [max(1, abs(int(side))) for side in np.atleast_1d(tensor.ShapeAsNumpy())] if tensor.ShapeLength() else []


def _elements(tensor: Any) -> int:
    return math.prod(_shape(tensor))


def _type(tensor: Any) -> str:
    return _names("TensorType").get(tensor.Type(), "")


def _operator_name(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    return _names("BuiltinOperator").get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "")


@lru_cache
def _names(enumeration: str) -> dict[int, str]:
    from ai_edge_litert import schema_py_generated

    members = vars(getattr(schema_py_generated, enumeration))
    return {value: name for name, value in members.items() if isinstance(value, int)}
