"""Where a model runs: what is installed, what was really used, and what the processor is good at."""

import dataclasses
import shutil

import numpy as np
import pytest

from portraitnet.runtime import Segmenter, backends
from portraitnet.runtime.backends import (
    CompiledModelBackend,
    OnnxBackend,
    TfliteBackend,
    device_of,
    open_backend,
    processor,
)
from portraitnet.runtime.backends.processor import has_int8_dot_products, preference
from portraitnet.runtime.contract import Artefact
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.files import sha256_of
from portraitnet.runtime.shipped import SHIPPED, find_model


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Sets what /proc/cpuinfo says."""

    def say(text):
        path = tmp_path / "cpuinfo"
        path.write_text(text)
        monkeypatch.setattr(processor, "_CPUINFO", path)
        has_int8_dot_products.cache_clear()

    yield say
    monkeypatch.undo()
    has_int8_dot_products.cache_clear()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("processor : 0\nflags : fpu sse4_2 avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags : fpu sse4_2 avx2 avx512f\n", False),
        ("Features : fp asimd asimddp\n", True),
        ("Features : fp asimd\n", False),
        ("processor : 0\n", True),
    ],
)
def test_int8_goes_first_where_the_processor_has_dot_products_of_bytes(cpuinfo, text, found):
    cpuinfo(text)
    assert has_int8_dot_products() is found
    assert (preference()[0] == ("tflite", "int8")) is found
    assert len(preference()) == len(set(preference())) == 10
    if not found:
        assert preference().index(("onnx", "fp32")) < preference().index(("tflite", "int8"))


def test_a_shipped_int8_model_is_opened_as_float32_where_int8_would_be_slower(cpuinfo):
    cpuinfo("flags : avx2 avx512_vnni\n")
    assert isinstance(open_backend("mobile"), TfliteBackend)
    cpuinfo("flags : avx2\n")
    assert isinstance(open_backend("mobile"), OnnxBackend)
    assert isinstance(open_backend("nano"), TfliteBackend)  # whose .tflite computes in float
    assert isinstance(open_backend(find_model("mobile")), TfliteBackend)  # a file is taken as it is
    for model in SHIPPED:
        (dtype,) = {TfliteBackend(model.file(), 1)._input["dtype"]}
        assert model.int8 == (dtype is np.uint8)


def test_a_bundle_opens_what_is_fastest_on_this_processor(cpuinfo, make_tflite, contract, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    artefacts = []
    for precision in ("int8", "fp32"):
        path = make_tflite(contract, f"{precision}.tflite", quantized=precision == "int8")
        shutil.copy(path, folder)
        artefacts.append(Artefact(path.name, "tflite", precision, sha256_of(path), path.stat().st_size))
    dataclasses.replace(contract, artefacts=tuple(artefacts)).write(folder)
    for flags, dtype in (("avx2", np.float32), ("avx_vnni", np.uint8)):
        cpuinfo(f"flags : {flags}\n")
        assert open_backend(folder)._output["dtype"] is dtype


@pytest.mark.parametrize("kind", [{"float_input": True}, {"quantized": True}])
def test_compiled_model_gives_what_the_interpreter_gives(make_tflite, contract, kind):
    path = make_tflite(contract, **kind)
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    compiled = CompiledModelBackend(path, 1)
    np.testing.assert_allclose(compiled.run(batch), TfliteBackend(path, 1).run(batch), atol=1e-6)
    assert device_of(compiled) == "LiteRT CPU"


def test_openvino_runs_the_same_file(make_onnx, contract):
    pytest.importorskip("openvino", reason="the bench extra is not installed")
    path = make_onnx(contract)
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    backend = open_backend(path, 1, "openvino")
    assert device_of(backend) == "OpenVINO CPU"
    np.testing.assert_array_equal(backend.run(batch), open_backend(path, 1, "cpu").run(batch))
    assert device_of(Segmenter.load("nano", 1, device="openvino").backend) == "OpenVINO CPU"


def test_the_cpu_is_told_by_name(make_onnx, make_tflite, contract):
    assert device_of(open_backend(make_onnx(contract))) == "CPU (ONNX Runtime)"
    assert device_of(open_backend(make_tflite(contract))) == "CPU (LiteRT/XNNPACK)"


def test_a_device_that_is_not_there_is_refused_and_never_replaced(make_onnx, make_tflite, contract, monkeypatch):
    onnx, tflite = make_onnx(contract), make_tflite(contract)
    monkeypatch.setattr(backends, "installed_providers", lambda: {"cpu": "CPUExecutionProvider"})
    with pytest.raises(InputError, match="device cuda: this onnxruntime has cpu alone"):
        open_backend(onnx, 1, "cuda")
    with pytest.raises(InputError, match=r"device cuda runs \.onnx files"):
        open_backend(tflite, 1, "cuda")
    with pytest.raises(InputError, match="device 'tpu' is none of auto, cpu, gpu"):
        open_backend(onnx, 1, "tpu")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_falls_back_for_auto_alone(make_onnx, contract, monkeypatch):
    """As on a computer with onnxruntime-gpu and no driver: here there is none, so that its start really fails."""
    onnx = make_onnx(contract)
    monkeypatch.setattr(backends, "installed_providers", lambda: {"cuda": "x", "cpu": "CPUExecutionProvider"})
    assert device_of(open_backend(onnx, 1, "auto")) == "CPU (ONNX Runtime)"
    with pytest.raises(InputError, match="does not take the whole network; use --device cpu"):
        open_backend(onnx, 1, "gpu")
