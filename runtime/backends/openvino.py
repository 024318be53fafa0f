"""OpenVINO's CPU plugin for .onnx files; `pip install openvino`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .checks import check_batch, first_line


class OpenVinoBackend:
    """An .onnx of this project on OpenVINO's CPU plugin, set for latency."""

    device = "OpenVINO CPU"

    def __init__(self, path: Path, threads: int) -> None:
        try:
            import openvino
        except ImportError as error:
            raise InputError("device openvino needs OpenVINO: pip install openvino") from error
        from .onnx import OnnxBackend

        self.contract = OnnxBackend(path, threads).contract  # which also refuses what is no file of ours
        core = openvino.Core()
        try:
            model = core.read_model(path.read_bytes())  # as bytes: the file cannot then name others to read
            model.reshape([1, *self.contract.size, 3])
            options = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                # Left alone, it computes in bfloat16 where the processor can: another mask than the file's.
                "INFERENCE_PRECISION_HINT": "f32",
            }
            self._request = core.compile_model(model, "CPU", options).create_infer_request()
        except RuntimeError as error:
            raise InputError(f"{path} does not run on OpenVINO: {first_line(error)}") from error

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        check_batch(self.contract, batch)
        return np.concatenate([self._request.infer([picture[None]])[0].copy() for picture in batch])
