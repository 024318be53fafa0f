"""Where LiteRT has no wheel (Intel Macs), the .onnx of the same model runs."""

import shutil
import sys

import numpy as np
import pytest

from portraitnet.runtime.backends import OnnxBackend, default_weights, open_backend
from portraitnet.runtime.contract import Artefact, Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.files import bytes_of, sha256_of

SHIPPED = default_weights()


@pytest.fixture
def without_litert(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)


def test_a_shipped_model_runs_from_its_onnx(without_litert):
    backend = open_backend(SHIPPED, threads=1)
    assert isinstance(backend, OnnxBackend)
    scores = backend.run(np.zeros((1, *backend.contract.size, 3), np.uint8))
    assert scores.shape == (1, *backend.contract.size, 1)


def test_a_tflite_without_an_onnx_says_what_to_do(tmp_path, without_litert):
    shutil.copy(SHIPPED, tmp_path / "mine.tflite")
    with pytest.raises(InputError, match=r"mine\.tflite needs ai-edge-litert.*use the model's \.onnx"):
        open_backend(tmp_path / "mine.tflite")


@pytest.mark.parametrize("suffixes", [(".tflite", ".onnx"), (".tflite",)])
def test_a_bundle_takes_its_onnx_or_says_that_it_has_none(tmp_path, without_litert, suffixes):
    files = [shutil.copy(SHIPPED.with_suffix(suffix), tmp_path / f"m{suffix}") for suffix in suffixes]
    inside = OnnxBackend(SHIPPED.with_suffix(".onnx"), 1).contract
    artefacts = tuple(
        Artefact(file.name, file.suffix[1:], "fp32", sha256_of(file), bytes_of(file)) for file in sorted(files)
    )
    Contract(inside.name, inside.classes, *inside.size, geometry=inside.geometry, artefacts=artefacts).write(tmp_path)
    if len(files) > 1:
        assert isinstance(open_backend(tmp_path, 1), OnnxBackend)
    else:
        with pytest.raises(InputError, match=r"nothing that runs here \(onnx\)"):
            open_backend(tmp_path, 1)
