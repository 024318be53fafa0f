"""LiteRT with XNNPACK on the CPU."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..console import quiet_stderr
from ..contract import METADATA_KEY
from ..errors import InputError
from .checks import check_batch, check_shapes, embedded_contract, first_line


class TfliteBackend:
    """A .tflite on LiteRT with XNNPACK; its batch is fixed at one, so a batch runs picture by picture.

    `make_interpreter` puts another library's interpreter of the same interface in LiteRT's place.
    """

    def __init__(self, path: Path, threads: int, make_interpreter: Callable[..., Any] | None = None) -> None:
        if make_interpreter is None:
            from ai_edge_litert.interpreter import Interpreter

            make_interpreter = Interpreter
        self.contract = embedded_contract(path, _tflite_metadata(path))
        try:
            with quiet_stderr():  # XNNPACK announces itself
                self.interpreter = make_interpreter(str(path), num_threads=threads)
            inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
            if len(inputs) != 1 or len(outputs) != 1:
                raise InputError(f"{path}: expected one input and one output")
            self._input, self._output = inputs[0], outputs[0]
            check_shapes(path, self.contract, self._input["shape"], self._output["shape"])
            if self._input["dtype"] not in (np.uint8, np.float32):
                raise InputError(f"{path} takes {self._input['dtype'].__name__}; expected uint8 or float32 input")
            with quiet_stderr():
                self.interpreter.allocate_tensors()
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path} is not a TFLite model that can be run: {first_line(error)}") from error

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        check_batch(self.contract, batch)
        return np.concatenate([self._run_one(picture[None]) for picture in batch])

    def _run_one(self, picture: np.ndarray) -> np.ndarray:
        self.interpreter.set_tensor(self._input["index"], picture.astype(self._input["dtype"], copy=False))
        self.interpreter.invoke()
        scores = self.interpreter.get_tensor(self._output["index"])
        if scores.dtype == np.float32:
            return scores
        if self.contract.task == "portrait":
            # int8's sigmoid has fixed steps of 1/256 and ends at 255: as bytes of alpha, certain is exactly 1.
            return scores.astype(np.float32) / 255
        scale, zero_point = self._output["quantization"]
        return (scores.astype(np.float32) - zero_point) * np.float32(scale)


def _tflite_metadata(path: Path) -> bytes | None:
    """The metadata buffer named METADATA_KEY, read in place: no weights are unpacked."""
    from ai_edge_litert.schema_py_generated import Model

    data = path.read_bytes()
    try:
        if len(data) < 16 or not Model.ModelBufferHasIdentifier(data, 0):
            raise ValueError("no TFL3 mark")
        model = Model.GetRootAs(data, 0)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            if entry.Name() == METADATA_KEY.encode():
                return _buffer_bytes(data, model.Buffers(entry.Buffer()))
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, struct.error) as error:
        raise InputError(f"{path} is not a TFLite model: {first_line(error)}") from error
    return None


def _buffer_bytes(data: bytes, buffer: Any) -> bytes:
    # Large models keep their buffers behind the flatbuffer, at an offset into the file.
    if buffer.Offset() > 1:
        return data[buffer.Offset() : buffer.Offset() + buffer.Size()]
    return b"" if buffer.DataIsNone() else buffer.DataAsNumpy().tobytes()
