"""Other people's models: a YAML file says where one lies, what it takes and what it gives.

`run --model peer.yaml` cuts people out with it, and in benchmarks its pictures, truth, metric, threads and rounds are
the same as ours.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ..contract import Contract
from ..errors import InputError
from ..files import sha256_of
from ..geometry import FILL, Letterbox
from .announcements import allocate
from .litert import check_memory
from .onnx import open_session

PORTRAIT_CLASSES = ("background", "person")
PEER_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class PeerSpec:
    """A peer's model file and its conventions. Pixels are taken as value * scale + offset, per channel."""

    name: str
    model: str  # .tflite or .onnx, looked for in the working folder and beside the YAML file
    sha256: str = ""  # of the file that was measured; another one is refused
    get: str = ""  # the command that fetches it, for the error message
    scale: float = 1.0
    offset: tuple[float, ...] = (0.0,)
    order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    channel: int = 0  # of the output: the person's
    inverted: bool = False  # that channel is the background's: the person is what it leaves
    activation: Literal["none", "sigmoid", "softmax"] = "none"  # that the graph leaves out
    geometry: Literal["stretch", "stretch-1.5-128-centred", "letterbox-128-centred"] = "letterbox-128-centred"


@dataclass(frozen=True)
class PeerContract(Contract):
    """What is known of a peer; its sizes need not be ours."""

    def __post_init__(self) -> None:
        """Nothing to refuse: the size is read from the model itself."""


@dataclass
class PeerBackend:
    """Runs a peer's file by its spec, like one of ours."""

    spec: PeerSpec
    path: Path
    threads: int
    contract: Contract = field(init=False)
    device = "CPU"

    def __post_init__(self) -> None:
        shape = self._open()
        if self.spec.layout == "nchw":
            shape = [shape[0], *shape[2:], shape[1]]
        if len(shape) != 4 or shape[3] != 3 or not all(isinstance(side, int) and side > 0 for side in shape[1:]):
            raise InputError(f"{self.path} takes {shape}; a peer takes one picture of 3 channels ({self.spec.layout})")
        self.contract = PeerContract(self.spec.name, PORTRAIT_CLASSES, shape[1], shape[2], geometry=self.spec.geometry)

    def _open(self) -> list[Any]:
        try:
            if self.path.suffix == ".tflite":
                from ai_edge_litert.interpreter import Interpreter

                check_memory(self.path)
                self.interpreter = Interpreter(str(self.path), num_threads=self.threads)
                allocate(self.interpreter)
                return [int(side) for side in self.interpreter.get_input_details()[0]["shape"]]
            self.session = open_session(self.path, self.threads)
            return [1, *self.session.get_inputs()[0].shape[1:]]
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{self.path} cannot be run: {str(error).splitlines()[0][:200]}") from error

    def prepare(self, batch: np.ndarray) -> np.ndarray:
        """uint8 RGB 1 x height x width x 3 -> what the model takes."""
        pixels = batch[..., ::-1] if self.spec.order == "bgr" else batch
        if self._type() == np.uint8:
            values = pixels
        else:
            values = np.multiply(pixels, np.float32(self.spec.scale), dtype=np.float32)
            if any(self.spec.offset):
                values += np.array(self.spec.offset, np.float32)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.spec.layout == "nchw" else values)

    def infer(self, prepared: np.ndarray) -> np.ndarray:
        """The model alone."""
        if self.path.suffix == ".tflite":
            self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], prepared)
            self.interpreter.invoke()
            given = self.interpreter.get_output_details()[0]
            scores = self.interpreter.get_tensor(given["index"])
            if scores.dtype == np.float32:
                return scores
            scale, zero = given["quantization"]
            return (scores.astype(np.float32) - zero) * np.float32(scale or 1 / 255)
        return self.session.run(None, {self.session.get_inputs()[0].name: prepared})[0]

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 1 x height x width x 3 -> float32 1 x height x width x 1, the person's alpha."""
        scores = self.infer(self.prepare(batch))
        if self.spec.layout == "nchw" and scores.ndim == 4:
            scores = scores.transpose(0, 2, 3, 1)
        scores = scores.reshape(*batch.shape[:3], -1)
        if self.spec.channel >= scores.shape[3]:
            raise InputError(f"{self.path} gives {scores.shape[3]} channels; there is no channel {self.spec.channel}")
        if self.spec.activation == "softmax":
            powers = np.exp(scores - scores.max(-1, keepdims=True))
            scores = powers / powers.sum(-1, keepdims=True)
        alpha = scores[..., self.spec.channel, None]
        if self.spec.activation == "sigmoid":
            alpha = 1 / (1 + np.exp(-alpha))
        return 1 - alpha if self.spec.inverted else alpha

    def mask(self, frame: np.ndarray) -> np.ndarray:
        """uint8 height x width x 3 -> float32 alpha height x width, by the quickest way to use this model.

        One that is fed a stretched picture gets it by plain bilinear resizing, as MediaPipe's graphs do it.
        """
        height, width = frame.shape[:2]
        if self.spec.geometry != FILL:
            box = Letterbox.fit((height, width), self.contract.size, self.spec.geometry)
            return box.undo(self.run(box.apply(frame)[None])[0, ..., 0])
        small = cv2.resize(frame, self.contract.size[::-1], interpolation=cv2.INTER_LINEAR)
        return cv2.resize(self.run(small[None])[0, ..., 0], (width, height), interpolation=cv2.INTER_LINEAR)

    def _type(self) -> Any:
        if self.path.suffix == ".tflite":
            return self.interpreter.get_input_details()[0]["dtype"]
        return np.uint8 if self.session.get_inputs()[0].type == "tensor(uint8)" else np.float32


def open_peer(path: Path, threads: int = 1) -> PeerBackend:
    """The peer that a YAML file describes. Raises InputError when the file is not one, or the model is another."""
    spec = read_peer(path)
    model = next((p for p in (Path(spec.model), path.parent / spec.model) if p.is_file()), None)
    if model is None:
        hint = f"; get it with: {spec.get}" if spec.get else ""
        raise InputError(f"{path.name}: {spec.model} is neither in the working folder nor beside {path}{hint}")
    if model.suffix not in (".tflite", ".onnx"):
        raise InputError(f"{path.name}: {spec.model} is neither .tflite nor .onnx")
    if spec.sha256 and sha256_of(model) != spec.sha256:
        raise InputError(f"{model} is not the file that {path.name} describes (its hash differs)")
    return PeerBackend(spec, model, threads)


def read_peer(path: Path) -> PeerSpec:
    """What a YAML file says of a peer, without its model. Raises InputError when the file says something else."""
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is not a readable YAML file: {str(error).splitlines()[0]}") from error
    return _spec(path.name, tree)


def _spec(name: str, tree: Any) -> PeerSpec:
    kinds = typing.get_type_hints(PeerSpec)
    if not isinstance(tree, dict):
        raise InputError(f"{name}: expected a mapping of {', '.join(kinds)}")
    for key in tree:
        if key not in kinds:
            close = difflib.get_close_matches(str(key), kinds, n=1)
            raise InputError(
                f"{name}: unknown key {key!r}; " + (f"did you mean {close[0]!r}?" if close else "see PeerSpec")
            )
    missing = [one.name for one in dataclasses.fields(PeerSpec) if one.default is dataclasses.MISSING]
    for key in [key for key in missing if key not in tree]:
        raise InputError(f"{name}: {key} is missing")
    return PeerSpec(**{key: _value(f"{name}: {key}", kinds[key], value) for key, value in tree.items()})


def _value(where: str, kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is Literal:
        if value not in typing.get_args(kind):
            raise InputError(f"{where} is {value!r}, none of {', '.join(typing.get_args(kind))}")
        return value
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{where}: expected a list of numbers, got {value!r}")
        return tuple(_value(where, float, one) for one in value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if not isinstance(value, kind) or (kind is int and not number) or (kind is int and value < 0):
        raise InputError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value
