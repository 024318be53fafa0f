"""LiteRT with XNNPACK on the CPU."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import METADATA_KEY, Contract
from ..errors import InputError
from .announcements import allocate
from .checks import check_batch, check_shapes, embedded_contract, first_line
from .memory import MAX_TENSOR_BYTES, peak_tensor_bytes


class TfliteBackend:
    """A .tflite on LiteRT with XNNPACK on the CPU; its batch is fixed at one, so a batch runs picture by picture.

    `make_interpreter` puts another library's interpreter of the same interface in LiteRT's place.
    """

    device = "CPU (LiteRT/XNNPACK)"

    def __init__(self, path: Path, threads: int, make_interpreter: Callable[..., Any] | None = None) -> None:
        if make_interpreter is None:
            from ai_edge_litert.interpreter import Interpreter

            make_interpreter = Interpreter
        self.contract = contract_inside(path)
        check_memory(path)
        try:
            self.interpreter = make_interpreter(str(path), num_threads=threads)
            inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
            if len(inputs) != 1 or len(outputs) != 1:
                raise InputError(f"{path}: expected one input and one output")
            self._input, self._output = inputs[0], outputs[0]
            check_shapes(path, self.contract, self._input["shape"], self._output["shape"])
            if self._input["dtype"] not in (np.uint8, np.float32):
                raise InputError(f"{path} takes {self._input['dtype'].__name__}; expected uint8 or float32 input")
            allocate(self.interpreter)
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


def contract_inside(path: Path) -> Contract:
    """The contract that a .tflite carries, read without opening it in a runtime. Raises InputError when it has none."""
    data = path.read_bytes()
    return embedded_contract(path, _parsed(path, data, partial(_metadata, data)))


def check_memory(path: Path) -> None:
    """Refuse a .tflite whose tensors would take more than MAX_TENSOR_BYTES, before anything is allocated."""
    peak = _parsed(path, path.read_bytes(), peak_tensor_bytes)
    if peak > MAX_TENSOR_BYTES:
        raise InputError(
            f"{path} asks for {peak / 2**30:.1f} GiB of memory (at most {MAX_TENSOR_BYTES / 2**30:.0f}): "
            "not a model of this project"
        )


def _parsed(path: Path, data: bytes, read: Callable[[Any], Any]) -> Any:
    """`read` of the schema's Model over untrusted bytes; weights are not unpacked. Raises InputError for nonsense."""
    from ai_edge_litert.schema_py_generated import Model

    try:
        if len(data) < 16 or not Model.ModelBufferHasIdentifier(data, 0):
            raise ValueError("no TFL3 mark")
        return read(Model.GetRootAs(data, 0))
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, MemoryError, struct.error) as error:
        raise InputError(f"{path} is not a TFLite model: {first_line(error)}") from error


def _metadata(data: bytes, model: Any) -> bytes | None:
    """The metadata buffer named METADATA_KEY."""
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        if entry.Name() == METADATA_KEY.encode():
            return _buffer_bytes(data, model.Buffers(entry.Buffer()))
    return None


def _buffer_bytes(data: bytes, buffer: Any) -> bytes:
    # Large models keep their buffers behind the flatbuffer, at an offset into the file.
    if buffer.Offset() > 1:
        return data[buffer.Offset() : buffer.Offset() + buffer.Size()]
    return b"" if buffer.DataIsNone() else buffer.DataAsNumpy().tobytes()
