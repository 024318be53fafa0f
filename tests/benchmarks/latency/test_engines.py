import shutil

import numpy as np
import pytest

from portraitnet.benchmarks.latency.contestants import gather, resized_bundles
from portraitnet.benchmarks.latency.engines import ENGINES, chosen_engines, engine_named
from portraitnet.benchmarks.latency.probe import cold_start
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.checkpoint import save_checkpoint
from portraitnet.train.models import PortraitNetSpec, build_model

SHIPPED = {kind: default_weights().with_suffix(f".{kind}") for kind in ("tflite", "onnx", "safetensors")}
NOISE = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)


@pytest.fixture
def small(tmp_path):
    spec = PortraitNetSpec(encoder="mobilenetv2_035")
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, build_model(spec).state_dict(), spec, (64, 64), {"recipe": {"name": "small"}, "step": 1})
    return path


@pytest.mark.parametrize(("one", "other"), [("onnxruntime", "openvino"), ("litert", "tensorflow")])
def test_two_libraries_give_the_same_mask_for_the_same_file(one, other):
    first, second = engine_named(one), engine_named(other)
    if second.absent():
        pytest.skip(second.absent())
    path = SHIPPED[first.format]
    np.testing.assert_allclose(second.open(path, 1).run(NOISE), first.open(path, 1).run(NOISE), atol=1e-4)


def test_a_compiled_network_gives_what_the_eager_one_gives(small):
    if not shutil.which("g++"):
        pytest.skip("torch's compiler needs a C++ compiler")
    noise = NOISE[:, :64, :64]
    eager, compiled = (engine_named(key).open(small, 1).run(noise) for key in ("torch", "torch-compiled"))
    np.testing.assert_allclose(compiled, eager, atol=1e-4)


def test_engines_are_chosen_by_name_and_absent_ones_are_said(monkeypatch):
    assert {e.key for e in chosen_engines("")} <= {e.key for e in chosen_engines("all")}
    assert [e.key for e in chosen_engines("litert, onnxruntime")] == ["litert", "onnxruntime"]
    with pytest.raises(InputError, match="none of torch"):
        chosen_engines("tflite")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install openvino"):
        chosen_engines("openvino")
    assert chosen_engines("all") == []


def test_coreml_is_for_macs(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert "Mac" in engine_named("coreml").absent()


def test_a_file_takes_part_once_for_each_engine_that_runs_it():
    engines = [e for e in ENGINES if e.key in ("onnxruntime", "litert", "tensorflow")]
    names = [(c.engine.key, c.threads) for c in gather(SHIPPED["tflite"], (1, 2), engines=engines)]
    assert names == [("litert", 1), ("litert", 2), ("tensorflow", 1), ("tensorflow", 2)]
    with pytest.raises(InputError, match="cannot be timed"):
        list(gather(SHIPPED["tflite"].with_name("README.md"), (1,)))


def test_a_checkpoint_is_exported_at_the_asked_size(small):
    with resized_bundles(small, [(32, 64)], lambda _: None) as folders:
        sizes = {c.contract.size for folder in folders for c in gather(folder, (1,))}
    assert sizes == {(32, 64)}


def test_a_fresh_process_tells_its_cold_start_and_memory():
    ballast = np.ones(1 << 28, np.uint8)  # what this process holds is not the other's
    told = cold_start(SHIPPED["tflite"], "litert", 1, processes=1)
    assert told["cold_start_ms"] > 1
    assert 20 < told["peak_mb"] < ballast.nbytes / 1e6
    assert 0 < told["model_mb"] < told["peak_mb"]


def test_a_failing_process_is_one_line(tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"bad\.tflite on litert failed in a fresh process"):
        cold_start(tmp_path / "bad.tflite", "litert", 1, processes=1)
