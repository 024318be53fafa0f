"""int8 weights with other activations, a mixture that keeps what it must, and MediaPipe's files."""

import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from portraitnet.export import flatbuffer
from portraitnet.export.android import install_in_app
from portraitnet.export.models import open_model, precision_of
from portraitnet.export.quantize import Quantizer
from portraitnet.runtime.backends import TfliteBackend, open_backend
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.metrics import iou
from portraitnet.train.predict import TorchBackend

CACHE = Path(os.environ.get("PORTRAITNET_CACHE") or Path.home() / ".cache" / "portraitnet")
MEDIAPIPE = CACHE / "mediapipe" / "bin" / "python"
FILES = [
    "toy-w8a32.onnx",
    "toy-w8a32.tflite",
    "toy-w8a16.tflite",
    "toy-int8-mixed.tflite",
    "toy-w8a32.mediapipe.tflite",
]


def test_each_is_a_row_of_the_bundle_and_passes_the_gate(narrow_bundle):
    out, contract = narrow_bundle
    assert [artefact.file for artefact in contract.artefacts] == FILES
    assert Contract.read(out) == contract
    for artefact in contract.artefacts:
        assert artefact.parity["failed"] == ""
        assert artefact.parity["mask_iou"] >= 0.99
        assert artefact.bytes == (out / artefact.file).stat().st_size


@pytest.mark.parametrize("file", FILES)
def test_each_opens_in_the_library_that_users_run_and_agrees_with_torch(narrow_bundle, checkpoint, easy_picture, file):
    backend = open_backend(narrow_bundle[0] / file)
    batch = np.stack([easy_picture(seed)[0] for seed in (1, 2)])
    found, expected = backend.run(batch), TorchBackend.of(checkpoint).run(batch)
    assert found.shape == expected.shape
    assert iou(found > 0.5, expected > 0.5) > 0.97
    assert np.abs(found - expected).mean() < 0.01


def test_int8_weights_take_a_quarter_of_the_file_and_float_arithmetic(narrow_bundle, bundle):
    whole = {a.file: a.bytes for a in bundle[1].artefacts}
    for artefact in narrow_bundle[1].artefacts:
        if artefact.precision == "w8a32":
            kind = "onnx" if artefact.format == "onnx" else "tflite"
            assert artefact.bytes < 0.5 * whole[f"toy-fp32.{kind}"]
            assert precision_of(narrow_bundle[0] / artefact.file) == "int8"
    operators = flatbuffer.op_histogram(narrow_bundle[0] / "toy-w8a32.tflite")
    assert not [op for op in operators if op.startswith("CONV_2D int8")]
    stored = onnx.load(narrow_bundle[0] / "toy-w8a32.onnx").graph.initializer
    assert sum(tensor.data_type == onnx.TensorProto.INT8 for tensor in stored) > 20
    assert narrow_bundle[1].artefacts[1].parity["xnnpack"]["partitions"] == 1


def test_int16_activations_lie_between_float_ends(narrow_bundle):
    graph = flatbuffer.read((narrow_bundle[0] / "toy-w8a16.tflite").read_bytes()).subgraphs[0]
    ends = {flatbuffer.type_name(graph.tensors[tensor]) for tensor in (graph.inputs[0], graph.outputs[0])}
    assert ends == {"float32"}
    operators = flatbuffer.op_histogram(narrow_bundle[0] / "toy-w8a16.tflite")
    assert operators["CONV_2D int16"] > 20
    assert not [op for op in operators if "CONV_2D float32" in op]


def test_a_mixture_keeps_nothing_when_int8_is_good_enough(narrow_bundle):
    mixed = next(a for a in narrow_bundle[1].artefacts if a.precision == "int8-mixed")
    assert mixed.parity["kept_float32"] == []
    assert isinstance(open_backend(narrow_bundle[0] / mixed.file), TfliteBackend)


def test_a_mixture_keeps_the_fewest_operators_that_pass_and_names_them(bundle, pictures, monkeypatch):
    """The search on a real file; only the verdict is set: it passes with three operators in float32."""
    content = (bundle[0] / "toy-fp32.tflite").read_bytes()
    needed, tried = 3, []

    def agrees(self, quantized, wanted):
        tried.append(sum(count for op, count in histogram(quantized).items() if op.endswith(" float32")))
        return tried[-1] >= needed

    monkeypatch.setattr(Quantizer, "_agrees", agrees)
    found, kept = Quantizer(content, pictures.calibrate[:3], 1).quantize("int8-mixed")
    assert 0 < len(kept) <= needed  # two operators may share a tensor's name
    assert tried[0] == 0
    assert sum(count for op, count in histogram(found).items() if op.endswith(" float32")) >= needed
    assert sum(histogram(found).values()) > 40
    names = {tensor.name.decode() for tensor in flatbuffer.read(content).subgraphs[0].tensors}
    assert names >= set(kept)


def histogram(content):
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    kinds = [
        f"{flatbuffer.operator_name(model, op)} {flatbuffer.type_name(graph.tensors[op.outputs[0]])}"
        for op in graph.operators
    ]
    return Counter(kind for kind in kinds if "QUANTIZE" not in kind)


def test_the_app_gets_the_fastest_of_what_phones_run_and_never_the_one_for_npus(narrow_bundle, tmp_path):
    assets = tmp_path / "app" / "src" / "main"
    assets.mkdir(parents=True)
    (assets / "AndroidManifest.xml").write_text("<manifest/>")
    placed = install_in_app(narrow_bundle[0], tmp_path)
    assert [path.name for path in placed.glob("*.tflite")] == ["toy-int8-mixed.tflite"]


def test_mediapipes_file_carries_labels_and_our_contract(narrow_bundle):
    path = narrow_bundle[0] / "toy-w8a32.mediapipe.tflite"
    with zipfile.ZipFile(path) as attached:
        assert attached.read("labels.txt") == b"person\n"
    assert open_model(path).contract == narrow_bundle[1].without_artefacts()
    assert narrow_bundle[1].artefacts[-1].parity["mediapipe_labels"] == ["person"]


SEGMENT = """
import sys, numpy, mediapipe
from mediapipe.tasks.python import BaseOptions, vision
options = vision.ImageSegmenterOptions(
    BaseOptions(model_asset_path=sys.argv[1]), output_confidence_masks=True, output_category_mask=True
)
with vision.ImageSegmenter.create_from_options(options) as segmenter:
    picture = mediapipe.Image(mediapipe.ImageFormat.SRGB, numpy.load(sys.argv[2]))
    result = segmenter.segment(picture)
    numpy.savez(sys.argv[3], *[mask.numpy_view() for mask in result.confidence_masks])
    print(segmenter.labels)
"""


@pytest.mark.skipif(not MEDIAPIPE.is_file(), reason="make mediapipe has not been run: a Python with mediapipe")
@pytest.mark.parametrize("precision", ["fp32", "w8a32"])
def test_mediapipe_itself_opens_it_and_finds_the_same_mask(whole_bundle, easy_picture, tmp_path, precision):
    path, picture = whole_bundle[0] / f"toy-{precision}.mediapipe.tflite", easy_picture(7)[0]
    np.save(tmp_path / "picture.npy", picture)
    command = [MEDIAPIPE, "-c", SEGMENT, path, tmp_path / "picture.npy", tmp_path / "masks.npz"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "person" in done.stdout
    with np.load(tmp_path / "masks.npz") as masks:
        (found,) = (masks[name] for name in masks.files)
    expected = open_backend(path).run(picture[None])[0, ..., 0]
    np.testing.assert_allclose(found.reshape(64, 64), expected, atol=1e-4)


def test_the_interpreter_of_this_test_has_no_mediapipe():
    """Whose OpenCV would replace ours: exporting must not need it."""
    assert not [name for name in sys.modules if name.startswith("mediapipe")]
