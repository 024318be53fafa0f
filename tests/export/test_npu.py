"""Ahead-of-time compilation for NPUs: chips by name, and what is missing in one line."""

import importlib.util

import pytest
from typer.testing import CliRunner

from portraitnet.cli.app import app
from portraitnet.export.npu import MAKERS, Chip, compile_for_npus, parse_chips, require_compilers
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import find_model


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
def test_a_missing_compiler_is_named_with_its_package(maker, tmp_path):
    if importlib.util.find_spec(MAKERS[maker]):
        pytest.skip(f"{maker}'s compiler is installed")
    with pytest.raises(InputError, match=f"compiler of {maker} is not installed: pip install ai-edge-litert-sdk-"):
        require_compilers([Chip(maker, "X")])
    with pytest.raises(InputError, match="not installed"):
        compile_for_npus(find_model("nano"), [Chip(maker, "X")], tmp_path / "npu")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_so_before_it_exports_anything(tmp_path):
    if importlib.util.find_spec(MAKERS["qualcomm"]):
        pytest.skip("qualcomm's compiler is installed")
    arguments = ["export", "nano", "--npu", "qualcomm:sm8750", "--out", str(tmp_path / "bundle")]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, InputError)
    assert "pip install ai-edge-litert-sdk-qualcomm" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
