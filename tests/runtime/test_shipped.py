"""One registry of models: the same names for every command and for Python."""

import shutil

import pytest
from typer.testing import CliRunner

from portraitnet.cli.app import app
from portraitnet.export.models import open_any_backend
from portraitnet.runtime import Segmenter, shipped
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.shipped import SHIPPED, default_weights, find_model


@pytest.mark.parametrize(("name", "file"), [("mobile", "mobile"), ("fast", "nano"), ("balanced", "mobile")])
@pytest.mark.parametrize("opened", [lambda name: Segmenter.load(name).contract, lambda n: open_any_backend(n).contract])
def test_python_and_commands_open_a_shipped_model_by_its_name_or_choice(name, file, opened):
    assert opened(name).name == f"portraitnet-{file}"


def test_every_choice_is_one_model_and_every_model_has_its_files():
    assert sorted(model.choice for model in SHIPPED if model.choice) == ["balanced", "best", "fast"]
    for model in SHIPPED:
        assert all(find_model(model.name, suffix).is_file() for suffix in (".tflite", ".onnx", ".safetensors"))
    assert find_model("best") == find_model("large")


def test_a_folder_or_file_of_that_name_counts_only_when_it_is_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mobile").mkdir()
    (tmp_path / "mobile" / "photo.jpg").write_bytes(b"x")
    assert find_model("mobile") == default_weights()
    assert Segmenter.load("mobile").contract.name == "portraitnet-mobile"
    Contract("mine", ("background", "person"), 32, 32).write(tmp_path / "mobile")
    assert str(find_model("mobile")) == "mobile"
    assert default_weights().is_file()
    shutil.copy(default_weights(), tmp_path / "mobile.tflite")
    assert str(find_model("mobile.tflite")) == "mobile.tflite"


def test_other_names_are_told_what_ships(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"tiny does not exist; models that ship: nano, small, mobile, .*best"):
        find_model("tiny")
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match=r"lacks portraitnet-mobile\.tflite"):
        default_weights()
    with pytest.raises(InputError, match="no shipped weights"):
        find_model("tiny")


def test_the_command_lists_them_with_size_speed_accuracy_and_use():
    done = CliRunner().invoke(app, ["models"])
    assert done.exit_code == 0, done.output
    rows = {cells[0]: cells for line in done.output.splitlines() if len(cells := line.strip("| ").split(" | ")) == 7}
    assert {"nano", "small", "mobile", "large"} <= set(rows)
    assert rows["large"][1:3] == ["best", "256x256"]
    assert float(rows["nano"][4]) < float(rows["mobile"][4]) < float(rows["large"][4])  # ms
    assert float(rows["nano"][5]) < float(rows["large"][5])  # foreground IoU
    assert "photographs" in rows["large"][6]
