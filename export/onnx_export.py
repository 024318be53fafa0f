"""ONNX: opset 18, uint8 in, dynamic batch; float32, float16 weights and arithmetic, and static int8 QDQ."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from ..runtime.contract import METADATA_KEY, Contract
from .graph import ChannelsLast, DeployedGraph

OPSET = 18
_LARGEST_BATCH = 64


def export_onnx(graph: DeployedGraph, contract: Contract, precision: str, pictures: np.ndarray, path: Path) -> None:
    """Write `graph` to `path`; `pictures` (uint8 N x H x W x 3) calibrate int8."""
    with tempfile.TemporaryDirectory() as scratch:
        model = _float_model(graph, contract)
        if precision == "fp16":
            model = convert_float_to_float16(model, keep_io_types=True)
        elif precision == "int8":
            model = _quantized(model, pictures, Path(scratch))
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, contract.without_artefacts().to_json()
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _float_model(graph: DeployedGraph, contract: Contract) -> onnx.ModelProto:
    example = torch.zeros(2, *contract.size, 3, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=_LARGEST_BATCH)
    # The exporter reports its progress on stdout, and warns about its own internals.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ChannelsLast(graph).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["alpha" if graph.single else "scores"],
            dynamic_shapes=({0: batch},),
            external_data=False,
            verbose=False,
        )
    model = program.model_proto
    # The exporter notes each node's Python stack, which names folders of the machine it ran on.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model


def _quantized(model: onnx.ModelProto, pictures: np.ndarray, scratch: Path) -> onnx.ModelProto:
    plain, prepared, quantized = (scratch / name for name in ("plain.onnx", "prepared.onnx", "int8.onnx"))
    onnx.save(model, plain)
    quant_pre_process(str(plain), str(prepared))
    quantize_static(
        str(prepared),
        str(quantized),
        _Pictures(pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    return onnx.load(quantized)


class _Pictures(CalibrationDataReader):
    def __init__(self, pictures: np.ndarray) -> None:
        self._next = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        picture = next(self._next, None)
        return None if picture is None else {"image": picture[None]}
