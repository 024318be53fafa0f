import dataclasses
import os
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from portraitnet.runtime import Segmenter, backends
from portraitnet.runtime.backends import default_weights, open_backend
from portraitnet.runtime.backends.announcements import allocate
from portraitnet.runtime.contract import Artefact
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.files import sha256_of


@pytest.fixture
def batch():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture
def make_bundle(tmp_path, contract):
    """A bundle of (file, precision) pairs."""

    def make(*files, **changes):
        folder = tmp_path / "bundle"
        folder.mkdir()
        artefacts = []
        for file, precision in files:
            inside = folder / file.name
            shutil.copy(file, inside)
            kind = file.suffix[1:]
            artefacts.append(
                Artefact(file.name, kind, precision, sha256_of(inside), inside.stat().st_size, {"max_abs": 0.0})
            )
        full = dataclasses.replace(contract, artefacts=tuple(artefacts), **changes)
        full.write(folder)
        return folder, full

    return make


def test_onnx_runs_any_batch(make_onnx, contract, batch):
    backend = open_backend(make_onnx(contract), threads=1)
    assert backend.contract == contract
    expected = (batch[..., 1:2] > batch[..., :1]).astype(np.float32)
    for count in (1, 3):
        result = backend.run(batch[:count])
        assert result.dtype == np.float32
        assert (result == expected[:count]).all()


@pytest.mark.parametrize("kind", [{}, {"float_input": True}, {"quantized": True}])
def test_tflite_runs_any_batch(make_tflite, contract, batch, kind):
    backend = open_backend(make_tflite(contract, **kind), threads=1)
    assert backend.contract == contract
    expected = batch.mean(-1, keepdims=True) / 255
    for count in (1, 3):
        result = backend.run(batch[:count])
        assert result.dtype == np.float32
        assert result.shape == (count, 32, 32, 1)
        assert np.abs(result - expected[:count]).max() < (0.5 / 255 + 1e-5 if kind.get("quantized") else 1e-5)


def test_tflite_results_survive_the_next_run(make_tflite, contract, batch):
    backend = open_backend(make_tflite(contract), threads=1)
    first = backend.run(batch[:1])
    kept = first.copy()
    backend.run(batch[1:2])
    assert (first == kept).all()


def test_wrong_batches_are_refused(make_tflite, make_onnx, contract, batch):
    for backend in (open_backend(make_onnx(contract)), open_backend(make_tflite(contract))):
        for wrong in (batch[..., :2], batch[:, :16], batch[0], batch.astype(np.float32), batch[:0]):
            with pytest.raises(ValueError, match=r"batch"):
                backend.run(wrong)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize("content", [b"", b"hello, I am a text file", b"\x20\0\0\0TFL3" + bytes(range(256)) * 9])
def test_text_files_and_rubbish(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.(onnx|tflite) (is not an?|carries no)") as caught:
        open_backend(path)
    assert "\n" not in str(caught.value)


def test_truncated_models(make_onnx, make_tflite, contract):
    for path in (make_onnx(contract), make_tflite(contract)):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError):
            open_backend(path)


def test_models_of_others_are_refused(make_onnx, make_tflite, contract):
    for path in (make_onnx(contract, metadata=""), make_tflite(contract, metadata="")):
        with pytest.raises(InputError, match="carries no portraitnet contract"):
            open_backend(path)
    with pytest.raises(InputError, match=r"the contract inside .* is not a portraitnet"):
        open_backend(make_onnx(contract, metadata="{"))


def test_shapes_must_match_the_contract(make_onnx, make_tflite, contract):
    wrong = dataclasses.replace(contract, height=64)
    with pytest.raises(InputError, match="its contract says"):
        open_backend(make_onnx(contract, side=64))
    with pytest.raises(InputError, match="its contract says"):
        open_backend(make_tflite(contract, metadata=wrong.to_json()))
    parsing = dataclasses.replace(contract, task="parsing", classes=("a", "b", "c"))
    with pytest.raises(InputError, match="its contract says"):
        open_backend(make_onnx(contract, metadata=parsing.to_json()))
    with pytest.raises(InputError, match="uint8 input"):
        open_backend(make_onnx(contract, input_type=1))


def test_a_bundle_opens_its_fastest_file(make_bundle, make_onnx, make_tflite, contract, batch):
    folder, full = make_bundle(
        (make_onnx(contract), "fp32"),
        (make_tflite(contract, "slow.tflite"), "fp32"),
        (make_tflite(contract, "fast.tflite", quantized=True), "int8"),
    )
    backend = open_backend(folder, threads=1)
    assert backend.contract == full
    assert isinstance(backend, backends.TfliteBackend)
    assert backend.run(batch[:1]).ravel()[0] * 255 == pytest.approx(round(batch[0, 0, 0].mean()), abs=0.01)
    (folder / "fast.tflite").write_bytes((folder / "slow.tflite").read_bytes())
    with pytest.raises(InputError, match="hash differs"):
        open_backend(folder)


def test_a_bundle_without_anything_that_runs(make_bundle, tmp_path):
    (tmp_path / "phone.pte").write_bytes(b"x")
    folder, _ = make_bundle((tmp_path / "phone.pte", "int8"))
    with pytest.raises(InputError, match=r"phone\.pte: nothing that runs here"):
        open_backend(folder)


def test_a_bundle_that_disagrees_with_its_file(make_bundle, make_onnx, contract):
    folder, _ = make_bundle((make_onnx(contract), "fp32"), classes=("background", "cat"))
    with pytest.raises(InputError, match="disagree"):
        open_backend(folder)


def test_a_bundle_cannot_point_outside_its_folder(make_bundle, make_onnx, contract, tmp_path):
    folder, full = make_bundle((make_onnx(contract), "fp32"))
    for file in ("../tiny.onnx", str(tmp_path / "tiny.onnx")):
        outside = dataclasses.replace(full.artefacts[0], file=file)
        dataclasses.replace(full, artefacts=(outside,)).write(folder)
        with pytest.raises(InputError, match="outside its folder"):
            Segmenter.load(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best.safetensors", "portraitnet export"),
        ("phone.pte", r"one of \.onnx, \.tflite, \.mlpackage"),
        ("noext", "no model that runs here"),
        ("gone/model.onnx", "does not exist"),
    ],
)
def test_other_files(tmp_path, name, message):
    if "/" not in name:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=message):
        open_backend(tmp_path / name)


def test_enormous_files_are_not_read(tmp_path):
    path = tmp_path / "big.tflite"
    with path.open("wb") as handle:
        handle.truncate(backends.MAX_MODEL_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        open_backend(path)


@pytest.mark.parametrize("enlarged", [(64, 30_000), (30_000, 64)], ids=["declared", "computed"])
def test_a_small_tflite_that_asks_for_gigabytes_is_refused_before_it_takes_them(
    make_tflite, contract, monkeypatch, enlarged
):
    assert open_backend(make_tflite(contract, "modest.tflite", enlarged=(64, 64)))
    path = make_tflite(contract, enlarged=enlarged)
    monkeypatch.setattr(Interpreter, "allocate_tensors", lambda self: pytest.fail("memory was taken"))
    with pytest.raises(InputError, match=r"tiny\.tflite asks for 3\.4 GiB of memory \(at most 2\)"):
        open_backend(path)


def test_a_small_onnx_that_asks_for_gigabytes_is_refused(make_onnx, contract, batch):
    import onnx
    from onnx import helper

    path = make_onnx(contract)
    model = onnx.load(path)
    shape = helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [30_000, 30_000])
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["large"]))
    model.graph.node.append(helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["alpha", "sum"], ["more"]))
    model.graph.output[0].name = "more"
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"tiny\.onnx asks for more than 2 GiB of memory"):
        open_backend(path).run(batch)


@pytest.mark.parametrize("inside", [b"portraitnet", b"background", b"image"])
def test_onnx_text_that_is_not_utf8_is_one_line(make_onnx, contract, inside):
    path = make_onnx(contract)
    path.write_bytes(path.read_bytes().replace(inside, b"\xff" + inside[1:]))
    with pytest.raises(InputError, match=r"tiny\.onnx"):
        open_backend(path)


def test_no_threads(make_onnx, contract):
    with pytest.raises(InputError, match="threads"):
        open_backend(make_onnx(contract), threads=0)


@pytest.mark.skipif(platform.system() == "Darwin", reason="CoreML exists here")
def test_coreml_names_what_runs_here(tmp_path):
    (tmp_path / "m.mlpackage").mkdir()
    with pytest.raises(InputError, match=r"macOS only; use the \.tflite or \.onnx"):
        open_backend(tmp_path / "m.mlpackage")


def test_a_certain_person_hides_the_background_wholly():
    photograph = pytest.importorskip("skimage.data").astronaut()
    alpha = Segmenter.load(default_weights())(photograph)
    assert alpha.max() == 1  # int8's largest step is 255/256
    assert alpha.min() == 0


def test_no_library_announces_itself_on_stderr():
    code = (
        "from portraitnet.runtime.segmenter import Segmenter; from portraitnet.runtime.backends import default_weights;"
        "Segmenter.load(default_weights()); Segmenter.load(default_weights())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""


def test_what_else_a_library_says_is_kept(capfd):
    class Talking:
        def allocate_tensors(self):
            os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no room\n")

    Talking.__module__ = "a library of this test"
    allocate(Talking())
    assert capfd.readouterr().err == "ERROR: no room\n"
    allocate(Talking())
    assert "INFO" in capfd.readouterr().err  # held back once, at the delegate's creation


def test_memory_runs_out_in_allocation_and_stderr_is_there_again(capfd):
    class Failing:
        def allocate_tensors(self):
            raise RuntimeError("no room")

    Failing.__module__ = "another library of this test"
    with pytest.raises(RuntimeError, match="no room"):
        allocate(Failing())
    os.write(2, b"here\n")
    assert capfd.readouterr().err == "here\n"
