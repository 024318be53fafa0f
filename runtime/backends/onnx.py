"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contract import METADATA_KEY
from ..errors import InputError
from .checks import check_batch, check_shapes, embedded_contract, first_line


def open_session(path: Path, threads: int) -> Any:
    """An onnxruntime.InferenceSession on the CPU. Raises InputError when the file cannot be run."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads that spin cost a video run a third of the processor, which decoding and encoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        # As bytes: a file of unknown origin cannot then name other files to read weights from.
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except (
        errors.EPFail,
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NotImplemented,
        errors.RuntimeException,
    ) as error:
        raise InputError(f"{path} is not an ONNX model that can be run: {first_line(error)}") from error


class OnnxBackend:
    """An .onnx on ONNX Runtime's CPU provider; takes any batch size that the graph takes."""

    def __init__(self, path: Path, threads: int) -> None:
        self.session = open_session(path, threads)
        self.contract = embedded_contract(path, self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY))
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(uint8)":
            raise InputError(f"{path}: expected one uint8 input and one output")
        check_shapes(path, self.contract, inputs[0].shape, outputs[0].shape)
        self._input = inputs[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        check_batch(self.contract, batch)
        return self.session.run(None, {self._input: batch})[0]
