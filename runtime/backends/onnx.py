"""ONNX Runtime: the CPU, or whatever provider of a GPU is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import METADATA_KEY
from ..errors import InputError
from .checks import check_batch, check_shapes, embedded_contract, first_line
from .memory import MAX_TENSOR_BYTES

MAX_SESSION_BYTES = MAX_TENSOR_BYTES  # of all sessions of a process together, weights too
_FATAL = 4
CPU = "CPUExecutionProvider"
PROVIDERS = {  # by device, those of GPUs first
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": CPU,
}


def open_session(path: Path, threads: int, provider: str = CPU) -> Any:
    """An onnxruntime.InferenceSession wholly on `provider`. Raises InputError when the file cannot be run there."""
    import onnxruntime

    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads that spin cost a video run a third of the processor, which decoding and encoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = _FATAL  # what goes wrong is raised, too
    if provider != CPU:
        # Else what the provider does not take runs on the CPU, and its time would carry the provider's name.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    with _failures(path):
        # As bytes: a file of unknown origin cannot then name other files to read weights from.
        # Without its own fallback, which tries the same again and prints.
        content, providers = path.read_bytes(), [provider]
        session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    if session.get_providers()[0] != provider:
        raise InputError(f"ONNX Runtime could not start {provider} (its driver or libraries are missing)")
    return session


def installed_providers() -> dict[str, str]:
    """Providers of this installation by the name of their device: {"cpu": ..., "cuda": ...}."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return {device: provider for device, provider in PROVIDERS.items() if provider in available}


@lru_cache
def _limit_memory() -> None:
    """One allocator for all sessions of the process, so that a small file cannot ask for all of the memory."""
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limit = onnxruntime.OrtArenaCfg({"max_mem": MAX_SESSION_BYTES})
    onnxruntime.create_and_register_allocator(place, limit)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """ONNX Runtime's exceptions, which share no class of their own, as InputErrors."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        yield
    except (
        errors.EPFail,
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NotImplemented,
        errors.RuntimeException,
        UnicodeDecodeError,  # its message quotes the damaged file
    ) as error:
        if "fallback to CPU EP" in str(error):
            raise InputError(f"{path}: the device does not take the whole network; use --device cpu") from error
        if "Available memory" in str(error):
            reason = f"asks for more than {MAX_SESSION_BYTES >> 30} GiB of memory: not a model of this project"
            raise InputError(f"{path} {reason}") from error
        raise InputError(f"{path} is not an ONNX model that can be run: {first_line(error)}") from error


class OnnxBackend:
    """An .onnx on ONNX Runtime; takes any batch size that the graph takes. `device` is one of PROVIDERS."""

    def __init__(self, path: Path, threads: int, device: str = "cpu") -> None:
        self.session = open_session(path, threads, PROVIDERS[device])
        self.device = f"{device.upper()} (ONNX Runtime)"
        try:
            text = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
            inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
            self._path, self._input = path, inputs[0].name if inputs else ""
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is damaged: its names or its metadata are not UTF-8") from error
        self.contract = embedded_contract(path, text)
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(uint8)":
            raise InputError(f"{path}: expected one uint8 input and one output")
        check_shapes(path, self.contract, inputs[0].shape, outputs[0].shape)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 batch x height x width x 3 -> float32 batch x height x width x channels."""
        check_batch(self.contract, batch)
        with _failures(self._path):
            return self.session.run(None, {self._input: batch})[0]
