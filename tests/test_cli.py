"""The command line as a user meets it: bad input is one clear line and exit code 2, never a traceback."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from PIL import Image

import portraitnet
from portraitnet.cli.app import app, main

COMMANDS = ["demo", "train", "recipes", "evaluate", "export", "run", "webcam", "serve", "benchmark", "phone", "data"]
PARTS = ["demo camera", "data check", "data label", "data sam", "benchmark compare", "benchmark report"]
PARTS += ["benchmark page"]
PARTS += [f"benchmark {name}" for name in ("latency", "live", "video", "roofline", "accuracy", "edges", "flicker")]
PARTS += ["phone web", "phone adb", "phone import"]


@pytest.fixture
def portraitnet_command(capfd, monkeypatch):
    """Runs a command in this process: heavy libraries are imported once for all tests. Gives what a process would."""

    def run(*arguments, cwd=None):
        monkeypatch.setattr(sys, "argv", ["portraitnet", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        if cwd:
            monkeypatch.chdir(cwd)
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return run


def fresh_process(*arguments, cwd=None):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "portraitnet", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=180,
    )


def test_version_and_help():
    assert fresh_process("--version").stdout.strip() == portraitnet.__version__
    shown = fresh_process("--help").stdout
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, *PARTS])
def test_every_command_explains_itself(portraitnet_command, command):
    done = portraitnet_command(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.strip().startswith("Usage: ")


def commands_of(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name), command
        yield from commands_of(command, (*path, name)) if hasattr(command, "commands") else ()


def test_every_command_and_every_option_has_a_help_text():
    silent = [
        " ".join((*path, parameter.name or ""))
        for path, command in commands_of(typer.main.get_command(app))
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    silent += [" ".join(path) for path, command in commands_of(typer.main.get_command(app)) if not command.help]
    assert silent == []


@pytest.fixture
def odd_files(tmp_path):
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "text.onnx").write_text("this is no model")
    (tmp_path / "text.tflite").write_text("this is no model either")
    (tmp_path / "text.safetensors").write_text("nor is this a checkpoint")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(60))
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "good.png", "--out", "x.png", "--model", "text.onnx"], "text.onnx"),
        (["run", "good.png", "--out", "x.png", "--model", "text.tflite"], "text.tflite"),
        (["run", "good.png", "--out", "x.png", "--model", "text.safetensors"], "portraitnet export"),
        (["run", "good.png", "--out", "x.png", "--model", "nowhere.onnx"], "nowhere.onnx"),
        (["run", "cut.jpg", "--out", "x.png"], "cut.jpg"),
        (["run", "text.mp4", "--out", "x.mp4"], "text.mp4"),
        (["run", "empty", "--out", "x"], "empty"),
        (["run", "nowhere.png", "--out", "x.png"], "nowhere.png"),
        (["run", "good.png", "--out", "good.png", "--overwrite"], "good.png"),
        (["run", "good.png", "--out", "x.png", "--background", "no-such-colour"], "no-such-colour"),
        (["export", "text.safetensors"], "not a readable .safetensors"),
        (["evaluate", "text.onnx", "--data", "empty"], "text.onnx"),
        (["evaluate", "text.onnx", "--data", "voc_person:empty"], "text.onnx"),
        (["train", "no_such_recipe"], "no recipe"),
        (["train", "demo", "run.stepz=3"], "did you mean 'steps'"),
        (["train", "portraitnet_folder", "data.root=empty", "model.encoder_weights=none"], "images"),
        (["benchmark", "latency", "--rivals"], "name at least one model"),
        (["benchmark", "latency", "text.tflite", "--backend", "abacus"], "backend 'abacus' is none of"),
        (["benchmark", "latency", "text.tflite", "--size", "64"], "--size exports checkpoints"),
        (["benchmark", "latency", "--threads", "none"], "write 1,2"),
        (["benchmark", "roofline", "text.tflite"], "text.tflite"),
        (["benchmark", "compare", "a.csv", "b.csv"], "a.csv does not exist; measure it first"),
        (["benchmark", "report", "empty"], "holds no results; measure first"),
        (["phone", "web", "good.png"], "neither .tflite nor .onnx"),
        (["phone", "adb", "--adb", "nowhere"], "comes with Android's platform-tools"),
        (["phone", "import", "text.onnx"], "neither JSON nor a CSV"),
        (["webcam", "--no-preview"], "nothing would come of it"),
        (["webcam", "--no-preview", "--camera", "nowhere.mp4", "--record", "x.mp4"], "nowhere.mp4"),
        (["webcam", "--no-preview", "--camera", "text.mp4", "--record", "x.mp4"], "text.mp4"),
        (["webcam", "--no-preview", "--camera", "good.png", "--record", "x.mp4"], "is no camera"),
        (["webcam", "--no-preview", "--record", "good.png"], "good.png exists"),
        (["webcam", "--no-preview", "--camera", "99", "--frames", "1"], "camera 99 cannot be opened"),
        (["serve", "good.png"], "good.png is no .tflite"),
        (["serve", "text.tflite"], "text.tflite"),
        (["benchmark", "edges", "--data", "empty"], "name at least one model"),
        (["data", "check", "empty"], "like none of the known sets"),
        (["data", "check", "empty", "--kind", "vocc"], "unknown data set kind"),
        (["data", "label", "empty", "--teacher", "text.onnx", "--out", "x"], "text.onnx"),
        (["data", "label", "empty", "--teacher", "sam", "--out", "x"], "--sam-weights"),
        (["data", "label", "empty", "--teacher", "sam", "--sam-weights", "empty", "--out", "x"], "holds no SAM"),
        (["benchmark", "compare", "good.png", "good.png"], "good.png is no CSV of ours"),
        (["benchmark", "live", "nano", "--threads", "1,x"], "'x' is no count from 1 to 64"),
        (["benchmark", "video", "nano", "--threads", "0,1"], "'0' is no count from 1 to 64"),
        (["benchmark", "live", "nano", "--mediapipe-python", "nowhere"], "nowhere cannot be started"),
    ],
    ids=lambda value: "-".join(value)[:60] if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_exit_code_2(portraitnet_command, odd_files, arguments, message):
    before = sorted(odd_files.rglob("*"))
    done = portraitnet_command(*arguments, cwd=odd_files)
    assert done.returncode == 2, done.stderr[-1500:]
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
    assert message in line
    assert "Traceback" not in done.stderr
    assert sorted(odd_files.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "good.png", "--out", "x.png", "--model", "text.tflite"],
        ["export", "text.safetensors"],
    ],
    ids="-".join,
)
def test_a_process_of_its_own_ends_the_same_way(odd_files, arguments):
    done = fresh_process(*arguments, cwd=odd_files)
    assert done.returncode == 2
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in done.stderr
