"""TFLite with the metadata of MediaPipe Tasks: `ImageSegmenter.create_from_model_path` opens it as it is.

A float model of tflite_export.py, and beside its graph: how pixels become inputs (not at all: they stay 0..255), that
the scores need no activation, and a label for each channel. MediaPipe stretches a picture to the input; a network
trained with bars around its pictures finds people of another shape than it has learned from.

The metadata is a flatbuffer of the public schema (tensorflow/lite/support/metadata, mediapipe/tasks/metadata), whose
Python classes come only with packages that bring a second OpenCV: its few tables are written here by slot number.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers

from ..runtime.contract import METADATA_KEY, Contract
from . import flatbuffer
from .graph import DeployedGraph
from .tflite_export import quantized

LABELS = "labels.txt"
_NAME, _PARSER = "TFLITE_METADATA", "1.0.0"
_RGB, _AXIS_LABELS, _IMAGE, _NORMALIZATION = 1, 2, 2, 1  # of the schema's enumerations and unions
_NO_ACTIVATION = 0
_Field = tuple[str, Any]


def export_mediapipe(graph: DeployedGraph, contract: Contract, path: Path, precision: str) -> dict[str, Any]:
    """Write `graph` as a .tflite for MediaPipe's ImageSegmenter at `path`; fp32, fp16 or w8a32."""
    labels = contract.classes[1:] if contract.task == "portrait" else contract.classes
    model, _ = quantized(graph, contract.size, precision)
    flatbuffer.set_metadata(model, METADATA_KEY, contract.without_artefacts().to_json())
    flatbuffer.set_metadata(model, _NAME, _metadata(contract))
    path.write_bytes(flatbuffer.pack(model))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as attached:
        # A fixed date, so that the same model gives the same bytes.
        attached.writestr(zipfile.ZipInfo(LABELS, (1980, 1, 1, 0, 0, 0)), "\n".join(labels) + "\n")
    return {"mediapipe_labels": list(labels)}


def _metadata(contract: Contract) -> bytes:
    """The ModelMetadata flatbuffer."""
    b = flatbuffers.Builder(1024)
    file = _table(b, {0: _text(b, LABELS), 1: _text(b, "one label for each channel"), 2: ("Int8", _AXIS_LABELS)})
    normalization = _table(b, {0: _floats(b, [0.0]), 1: _floats(b, [1.0])})
    unit = _table(b, {0: ("Uint8", _NORMALIZATION), 1: ("UOffsetTRelative", normalization)})
    stats = _table(b, {0: _floats(b, [255.0]), 1: _floats(b, [0.0])})
    image = _table(b, {0: ("Int8", _RGB)})
    content = _table(b, {0: ("Uint8", _IMAGE), 1: ("UOffsetTRelative", image)})
    taken = _table(
        b,
        {
            0: _text(b, "image"),
            1: _text(b, f"RGB, {contract.height} x {contract.width}, 0..255"),
            3: ("UOffsetTRelative", content),
            4: _list(b, [unit]),
            5: ("UOffsetTRelative", stats),
        },
    )
    given = _table(b, {0: _text(b, "scores"), 1: _text(b, "0..1 for each label"), 6: _list(b, [file])})
    own = _table(b, {0: _text(b, "SEGMENTER_METADATA"), 1: _bytes(b, _segmenter_options())})
    part = _table(b, {2: _list(b, [taken]), 3: _list(b, [given]), 9: _list(b, [own])})
    root = _table(
        b,
        {
            0: _text(b, contract.name),
            1: _text(b, "Person segmentation" if contract.task == "portrait" else "Segmentation"),
            3: _list(b, [part]),
            7: _text(b, _PARSER),
        },
    )
    b.Finish(root, b"M001")
    return bytes(b.Output())


def _segmenter_options() -> bytes:
    b = flatbuffers.Builder(64)
    b.Finish(_table(b, {0: ("Int8", _NO_ACTIVATION), 1: _text(b, _PARSER)}), b"V001")
    return bytes(b.Output())


def _table(b: flatbuffers.Builder, fields: Mapping[int, _Field]) -> int:
    """A table of (kind, value) by slot; an offset of it."""
    b.StartObject(max(fields) + 1)
    for slot, (kind, value) in fields.items():
        prepend: Callable[..., None] = getattr(b, f"Prepend{kind}Slot")
        prepend(slot, value, 0)
    return b.EndObject()


def _text(b: flatbuffers.Builder, text: str) -> _Field:
    return "UOffsetTRelative", b.CreateString(text)


def _bytes(b: flatbuffers.Builder, content: bytes) -> _Field:
    return "UOffsetTRelative", b.CreateByteVector(content)


def _floats(b: flatbuffers.Builder, values: Sequence[float]) -> _Field:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return "UOffsetTRelative", b.EndVector()


def _list(b: flatbuffers.Builder, tables: Sequence[int]) -> _Field:
    b.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        b.PrependUOffsetTRelative(table)
    return "UOffsetTRelative", b.EndVector()
