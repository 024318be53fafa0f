"""Ahead-of-time compilation for NPUs: chips by name, what is missing in one line, and Qualcomm's own compiler."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portraitnet.cli.app import app
from portraitnet.export import flatbuffer
from portraitnet.export.npu import MAKERS, Chip, compile_for_npus, parse_chips, require_compilers
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import find_model

CACHE = Path(os.environ.get("PORTRAITNET_CACHE") or Path.home() / ".cache" / "portraitnet") / "npu"


@pytest.fixture
def no_compilers(monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    if importlib.util.find_spec("onnxruntime_qnn"):
        pytest.skip("Qualcomm's libraries are installed")


def test_chips_are_those_that_litert_lists():
    assert parse_chips("qualcomm:sm8750, mediatek:MT6991") == [Chip("qualcomm", "SM8750"), Chip("mediatek", "MT6991")]
    assert [str(chip) for chip in parse_chips("samsung:e9965")] == ["samsung:e9965"]
    assert parse_chips("google_tensor:tensor_g5") == [Chip("google_tensor", "Tensor_G5")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apple:a17", r"write MAKER:CHIP, as qualcomm:sm8750; makers: qualcomm"),
        ("qualcomm:sm1", r"LiteRT knows of qualcomm .*sm8750"),
        ("qualcomm", r"LiteRT knows of qualcomm"),
        ("qualcomm:all", r"LiteRT knows of qualcomm"),
        (" , ", "names no chip"),
    ],
)
def test_other_chips_are_one_line(text, message):
    with pytest.raises(InputError, match=message):
        parse_chips(text)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_missing_compiler_is_named_with_its_package(maker, tmp_path, no_compilers):
    if importlib.util.find_spec(MAKERS[maker]):
        pytest.skip(f"{maker}'s compiler is installed")
    with pytest.raises(InputError, match=f"compiler of {maker} is not installed: pip install ai-edge-litert-sdk-"):
        require_compilers([Chip(maker, "X")])
    with pytest.raises(InputError, match="not installed"):
        compile_for_npus([find_model("nano")], [Chip(maker, "X")], tmp_path / "npu")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_so_before_it_exports_anything(tmp_path, no_compilers):
    if importlib.util.find_spec(MAKERS["qualcomm"]):
        pytest.skip("qualcomm's compiler is installed")
    arguments = ["export", "nano", "--npu", "qualcomm:sm8750", "--out", str(tmp_path / "bundle")]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, InputError)
    assert "pip install ai-edge-litert-sdk-qualcomm" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_was_installed_empty_is_told_from_a_compiler(tmp_path, monkeypatch, no_compilers):
    """Its installation only warns when the maker's download fails."""
    (tmp_path / "ai_edge_litert_sdk_mediatek.py").write_text("def path_to_sdk_libs():\n    print('no SDK')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"without mediatek's libraries.*--force-reinstall"):
        require_compilers([Chip("mediatek", "MT6991")])


@pytest.mark.skipif(not (CACHE / "onnxruntime_qnn").is_dir(), reason="make npu has not been run: Qualcomm's libraries")
@pytest.mark.parametrize("name", ["nano", "mobile"])
def test_qualcomms_compiler_takes_the_whole_network(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(CACHE))
    out = tmp_path / "npu"
    report = compile_for_npus([find_model(name)], parse_chips("qualcomm:sm8750"), out)
    (line,) = report.values()
    taken, _, total = line.split()[:3]
    assert taken == total != "0"
    assert line.endswith("on the NPU, in 1 piece")
    assert json.loads((out / "report.json").read_text()) == report
    (compiled,) = out.glob("*.tflite")
    assert compiled.name == f"portraitnet-{name}_Qualcomm_SM8750.tflite"
    assert flatbuffer.op_histogram(compiled).keys() == {"CUSTOM float32" if name == "nano" else "CUSTOM uint8"}
    assert "LD_LIBRARY_PATH" not in os.environ or "qnn" not in os.environ["LD_LIBRARY_PATH"]


@pytest.mark.skipif(not (CACHE / "onnxruntime_qnn").is_dir(), reason="make npu has not been run: Qualcomm's libraries")
def test_a_refused_network_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(CACHE))
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(find_model("nano").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"broken\.tflite does not compile for qualcomm:sm8750: .*[a-z]") as caught:
        compile_for_npus([broken], parse_chips("qualcomm:sm8750"), tmp_path / "npu")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.tflite"]
    report = compile_for_npus([broken, find_model("nano")], parse_chips("qualcomm:sm8750"), tmp_path / "npu")
    first, second = report.items()
    assert first[0] == "broken.tflite, qualcomm:sm8750"
    assert first[1].startswith("refused: broken.tflite does not compile")
    assert second[1].endswith("in 1 piece")
