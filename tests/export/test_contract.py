"""Every format at every precision, opened from disk, keeps the one contract."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from portraitnet.export.models import open_any_backend, open_model
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.files import bytes_of, sha256_of
from portraitnet.runtime.metrics import iou
from portraitnet.train.predict import TorchBackend, describe

SIZE = (64, 64)
FORMATS = ("onnx", "tflite", "coreml")
PRECISIONS = ("fp32", "fp16", "int8")


def artefact(contract, kind, precision):
    return next(a for a in contract.artefacts if (a.format, a.precision) == (kind, precision))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", FORMATS)
def test_artefact_keeps_the_contract(easy_picture, bundle, checkpoint, kind, precision):
    out, contract = bundle
    entry = artefact(contract, kind, precision)
    path = out / entry.file
    assert entry.file == f"toy-{precision}.{'mlpackage' if kind == 'coreml' else kind}"
    assert (entry.sha256, entry.bytes) == (sha256_of(path), bytes_of(path))
    assert entry.parity["failed"] == ""
    assert entry.parity["pictures"] == 12

    backend = open_any_backend(path)
    assert backend.contract == contract.without_artefacts()
    batch = np.stack([easy_picture(seed)[0] for seed in (1, 2)])
    scores = backend.run(batch)
    assert scores.shape == (2, 64, 64, 1)
    assert scores.dtype == np.float32
    assert 0 <= scores.min() < 0.1
    assert 0.9 < scores.max() <= 1
    expected = TorchBackend.of(checkpoint).run(batch)
    difference = np.abs(scores - expected)
    assert difference.mean() < {"fp32": 1e-5, "fp16": 1e-3, "int8": 0.01}[precision]
    if precision != "int8":  # where a pixel on the outline may turn
        assert difference.max() < {"fp32": 1e-4, "fp16": 0.05}[precision]
    assert iou(scores > 0.5, expected > 0.5) > 0.97


@pytest.mark.parametrize("kind", FORMATS)
def test_classes_and_oblong_sizes(easy_picture, parsing_bundle, kind):
    out, contract, checkpoint = parsing_bundle
    assert contract.task == "parsing"
    backend = open_any_backend(out / artefact(contract, kind, "int8").file)
    picture, truth = easy_picture(3, (64, 96), 3)
    scores = backend.run(picture[None])
    expected = TorchBackend.of(checkpoint).run(picture[None])
    assert scores.shape == (1, 64, 96, 3)
    assert (scores.argmax(-1) == expected.argmax(-1)).mean() > 0.97
    assert np.abs(scores.sum(-1) - 1).max() < 0.02
    assert (scores[0].argmax(-1) == truth).mean() > 0.8


@pytest.mark.parametrize("batch", [1, 5])
def test_onnx_takes_any_batch(easy_picture, bundle, batch):
    out, _ = bundle
    pictures = np.stack([easy_picture(seed)[0] for seed in range(batch)])
    together = open_any_backend(out / "toy-fp32.onnx").run(pictures)
    alone = np.concatenate([open_any_backend(out / "toy-fp32.onnx").run(p[None]) for p in pictures])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_model_json_reads_back(bundle):
    out, contract = bundle
    assert Contract.read(out) == Contract.from_json(contract.to_json())
    assert contract.training["recipe"]["name"] == "toy"
    assert contract.accuracy == {"val": 0.9}
    assert {"torch", "onnxruntime", "litert-torch", "coremltools"} <= set(contract.tools)
    assert not contract.forced
    assert dataclasses.replace(contract, artefacts=()) == contract.without_artefacts()


def test_no_artefact_holds_a_path_of_its_maker(bundle):
    out, contract = bundle
    assert contract.training["recipe"]["loss"]["teachers"] == ["large.safetensors"]
    assert contract.training["recipe"]["data"]["root"] == "data"
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) >= 10
    for path in files:
        content = path.read_bytes()
        assert not [word for word in (b"someone", b"site-packages", b"/export/graph.py") if word in content], path


def test_scores_are_those_of_the_exported_size(checkpoint):
    assert describe(checkpoint).accuracy == {"val": 0.9}
    assert describe(checkpoint, SIZE).accuracy == {"val": 0.9}
    assert describe(checkpoint, (96, 96)).accuracy == {}


def test_open_model_segments_pictures_of_any_size(easy_picture, bundle):
    out, _ = bundle
    image, mask = easy_picture(5, (150, 90))
    for path in (out, out / "toy-int8.mlpackage", out / "toy-int8.tflite"):
        alpha = open_model(path)(image)
        assert alpha.shape == (150, 90)
        assert iou(alpha > 0.5, mask > 0) > 0.6
