"""The one contract of an exported model: what goes in, what comes out, what was proven, what was trained.

It is written twice: as `model.json` beside the artefacts of a bundle, and inside each artefact (under
`METADATA_KEY`), so that a loose file still describes itself. Nobody hard-codes a size.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .errors import InputError
from .files import write_text
from .geometry import GEOMETRIES, LETTERBOX

FORMAT_VERSION = 1
METADATA_KEY = "portraitnet"
MODEL_JSON = "model.json"
_MAX_JSON_BYTES = 4 << 20
MIN_SIDE, MAX_SIDE = 32, 4096  # of an input, pixels


@dataclass(frozen=True)
class Artefact:
    """One file (or .mlpackage folder) of a bundle; `file` is relative to the bundle and stays inside it."""

    file: str
    format: str  # onnx | tflite | mediapipe | coreml | executorch
    precision: str  # fp32 | fp16 | int8 | w8a32 | w8a16 | int8-mixed
    sha256: str
    bytes: int
    parity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """What a deployed model expects and gives.

    Every artefact takes raw RGB, 0..255, as batch x `height` x `width` x 3, and gives
    batch x `height` x `width` x 1 (the person's alpha, 0..1; as bytes, 0..255, in an int8 TFLite) for two
    classes, or one score per class (softmax) in the last axis for more.
    """

    name: str
    classes: tuple[str, ...]
    height: int
    width: int
    task: str = "portrait"  # portrait (alpha) | parsing (scores per class)
    geometry: str = LETTERBOX
    format_version: int = FORMAT_VERSION
    encoder: str = ""
    parameters: int = 0
    macs: int = 0  # multiply-accumulates of one picture
    training: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    forced: bool = False  # written with --force although a parity gate failed
    artefacts: tuple[Artefact, ...] = ()

    def __post_init__(self) -> None:
        sizes_ok = all(
            isinstance(side, int) and MIN_SIDE <= side <= MAX_SIDE and side % 16 == 0
            for side in (self.height, self.width)
        )
        if not sizes_ok:
            raise InputError(
                f"input size {self.height}x{self.width}: both sides must be multiples of 16 "
                f"from {MIN_SIDE} up to {MAX_SIDE}"
            )
        if self.task not in ("portrait", "parsing") or len(self.classes) < 2:
            raise InputError(f"task {self.task!r} with {len(self.classes)} classes is not one this version runs")
        if self.geometry not in GEOMETRIES:
            raise InputError(f"geometry {self.geometry!r} is not known; this version does {' and '.join(GEOMETRIES)}")
        if self.format_version != FORMAT_VERSION:
            raise InputError(
                f"model contract version {self.format_version}; this version of portraitnet reads {FORMAT_VERSION}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Input (height, width) in pixels."""
        return self.height, self.width

    def without_artefacts(self) -> Contract:
        """The same facts, as embedded in a single file."""
        return dataclasses.replace(self, artefacts=())

    def to_json(self) -> str:
        """JSON text, stable in order, fit for `from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str | bytes, source: str = MODEL_JSON) -> Contract:
        """Parse and check untrusted JSON; `source` names it in the InputError."""
        if len(text) > _MAX_JSON_BYTES:
            raise InputError(f"{source} is larger than {_MAX_JSON_BYTES >> 20} MiB: not a model contract")
        try:
            facts = json.loads(text)
            if not isinstance(facts["name"], str) or not isinstance(facts["classes"], list):
                raise TypeError("name must be text and classes a list")
            facts["artefacts"] = tuple(_artefact(a) for a in facts.get("artefacts", ()))
            facts["classes"] = tuple(str(name) for name in facts["classes"])
            known = {f.name for f in dataclasses.fields(cls)}
            return cls(**{key: value for key, value in facts.items() if key in known})
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"{source} is not a portraitnet model contract: {error}") from error

    def write(self, folder: Path) -> None:
        """Write `model.json` into `folder`."""
        write_text(folder / MODEL_JSON, self.to_json() + "\n")

    @classmethod
    def read(cls, folder: Path) -> Contract:
        """Read `model.json` of a bundle; every artefact it names must exist inside the folder."""
        path = folder / MODEL_JSON
        if not path.is_file():
            raise InputError(f"{folder} holds no {MODEL_JSON}: it is not an exported bundle")
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise InputError(f"{path} is larger than {_MAX_JSON_BYTES >> 20} MiB: not a model contract")
        contract = cls.from_json(path.read_bytes(), str(path))
        inside = folder.resolve()
        for artefact in contract.artefacts:
            file = inside if "\0" in artefact.file else (folder / artefact.file).resolve()
            if not file.is_relative_to(inside) or file == inside:
                raise InputError(f"{path} names {artefact.file!r}, which lies outside its folder")
            if not file.exists():
                raise InputError(f"{path} names {artefact.file!r}, which is missing; export the bundle again")
        return contract


def _artefact(facts: Mapping[str, Any]) -> Artefact:
    artefact = Artefact(**{f.name: facts[f.name] for f in dataclasses.fields(Artefact)})
    if not all(isinstance(v, str) for v in (artefact.file, artefact.format, artefact.precision, artefact.sha256)):
        raise TypeError("an artefact's file, format, precision and sha256 must be text")
    return artefact


class Backend(Protocol):
    """Something that runs a model's deployed graph."""

    contract: Contract

    def run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 RGB batch x height x width x 3 -> float32 batch x height x width x (1 or classes), 0..1."""
        ...
