"""The command line as a user meets it: bad input is one clear line and exit code 2, never a traceback."""

import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import av
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
        (["run", "https://example.org/a.jpg"], "https://example.org/a.jpg is an address"),
        (["run", "good.png", "--out", "-"], "not written to standard output"),
        (["run", "good.png", "--out", "x.jpge"], "x.jpge: a picture is written to one of"),
        (["run", "good.png", "--out", "n" * 300 + ".png"], "File name too long"),
        (["run", "good.png", "--out", "/proc/x.png"], "cannot write /proc/x.png: No such file"),
        (["run", "good.png", "--deinterlace", "maybe"], "neither auto nor off"),
        (["run", "good.png", "--encoder", "abacus"], "fast, small, hardware"),
        (["webcam", "--no-preview", "--frames", "1", "--camera", "99999999999"], "0 to 99"),
        (["webcam", "--no-preview", "--frames", "1", "--size", "0x0"], "16 to 8192 pixels"),
        (["webcam", "--no-preview", "--frames", "1", "--size", "100000x100000"], "16 to 8192 pixels"),
        (["webcam", "--no-preview", "--camera", "empty", "--record", "/proc/x.mp4"], "empty"),
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
        (["data", "check", "empty"], "layout of none of the known sets"),
        (["data", "check", "empty", "--kind", "vocc"], "unknown data set kind"),
        (["data", "label", "empty", "--teacher", "text.onnx", "--out", "x"], "text.onnx"),
        (["data", "label", "empty", "--teacher", "sam", "--out", "x"], "--sam-weights"),
        (["data", "label", "empty", "--teacher", "sam", "--sam-weights", "empty", "--out", "x"], "holds no SAM"),
        (["benchmark", "compare", "good.png", "good.png"], "good.png is not a results file"),
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


@pytest.fixture
def portrait(tmp_path):
    skimage = pytest.importorskip("skimage.data")
    path = tmp_path / "a[edited]  (1).png"
    Image.fromarray(skimage.astronaut()[::4, ::4]).save(path)
    return path


def test_a_picture_by_default(portrait):
    done = fresh_process("run", portrait.name, cwd=portrait.parent)
    assert done.returncode == 0
    assert done.stderr == ""  # no bar without a terminal, no line of a library
    assert re.fullmatch(r"1 picture in \d+\.\d s: a\[edited\]  \(1\)-portrait\.png\n", done.stdout)
    again = fresh_process("run", portrait.name, cwd=portrait.parent)
    assert again.returncode == 2
    assert "a[edited]  (1)-portrait.png exists; replace it with --overwrite" in again.stderr


def test_a_model_by_name_goes_before_a_folder_of_that_name(portrait):
    for name in ("nano", "fast"):
        (portrait.parent / name).mkdir()
    for name in ("nano", "fast"):
        done = fresh_process("run", portrait.name, "--model", name, "--out", f"{name}.png", cwd=portrait.parent)
        assert done.returncode == 0, done.stderr
    assert (portrait.parent / "nano.png").read_bytes() == (portrait.parent / "fast.png").read_bytes()


@pytest.fixture
def long_clip(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(900):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), index % 256, np.uint8))
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def wait_for(condition, process, seconds=120):
    limit = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_leaves_nothing(long_clip, number, code):
    command = [sys.executable, "-m", "portraitnet", "run", "clip.mp4", "--out", "out/x.mp4", "--model", "nano"]
    options = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)}
    with subprocess.Popen(command, cwd=long_clip.parent, **options) as process:
        wait_for(lambda: list(long_clip.parent.glob("out/.portraitnet-*/x.mp4")), process)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert said in ("error: stopped\n", "error: interrupted\n")
    assert list((long_clip.parent / "out").iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals")
def test_a_closed_terminal_finishes_the_recording(long_clip):
    command = [sys.executable, "-m", "portraitnet", "webcam", "--no-preview", "--camera", "clip.mp4", "--loop"]
    command += ["--record", "rec.mp4", "--size", "320x240"]
    # Under nohup this signal is ignored, also by what we start.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=long_clip.parent, **pipes, **heeds) as process:
        recording = long_clip.parent / "rec.mp4"
        wait_for(lambda: recording.exists() and recording.stat().st_size > 2000, process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=120)
    with av.open(str(recording)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5
        assert container.streams.video[0].frames > 5  # an ordinary file again, with a table of its frames
