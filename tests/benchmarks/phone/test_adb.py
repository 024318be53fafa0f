"""`phone adb` against a stand-in for adb that answers as the real one does."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from rich.progress import Progress
from typer.testing import CliRunner

from portraitnet.benchmarks.phone.adb import Plan, benchmark_devices
from portraitnet.benchmarks.phone.device import Adb, tool_for
from portraitnet.benchmarks.phone.tool_output import read_tool_output
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.cli.app import app
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.errors import InputError

PIXEL = {
    "state": "device",
    "properties": {
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 8",
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.build.version.release": "14",
        "ro.soc.model": "Tensor G3",
    },
    "ms": {"cpu": 12.0, "gpu": 4.0, "nnapi": 6.0},
}


def phone(name, **changes):
    return {**PIXEL, "properties": {**PIXEL["properties"], "ro.product.model": name}, **changes}


@pytest.fixture
def adb(tmp_path):
    """Makes an adb for the given devices; its `log` holds every call."""

    def make(**devices):
        folder = tmp_path / "adb"
        folder.mkdir()
        shutil.copy(Path(__file__).with_name("fake_adb.py"), folder)
        (folder / "devices.json").write_text(json.dumps(devices))
        program = folder / "adb"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/fake_adb.py" "$@"\n')
        program.chmod(0o755)
        return Adb.find(program)

    return make


@pytest.fixture
def tool(tmp_path):
    path = tmp_path / "benchmark_model"
    path.write_bytes(b"\x7fELF")
    return path


def plan(places=("cpu",), threads=(1,), turns=2, **changes):
    return Plan((default_weights(),), places, threads, runs=7, turns=turns, cool_down=0, **changes)


def run(program, planned, out, tool, serials=()):
    with Progress(disable=True) as bar:
        return benchmark_devices(program, planned, out, tool, serials, bar)


def log(program):
    return Path(program.program).with_name("log.txt").read_text()


def test_cpu_gpu_and_nnapi_with_residency_heat_and_clocks(adb, tool, tmp_path):
    program = adb(A1=phone("Pixel 8", heat=1))
    outcome = run(program, plan(("cpu", "gpu", "nnapi"), (1, 2)), tmp_path / "out", tool)
    assert outcome.problems == []
    rows = {(r["backend"], r["threads"]): r for r in read_csv(outcome.path)}
    assert len(rows) == outcome.results == 4
    cpu = rows["LiteRT CPU (XNNPACK)", "2"]
    assert float(cpu["median_ms"]) == 6.0
    assert cpu["residency"] == "122/124 in 1"
    assert rows["LiteRT GPU", "1"]["residency"] == "whole"
    assert rows["LiteRT NNAPI", "1"]["residency"] == "in 3 parts"
    assert (cpu["machine"], cpu["versions"]) == ("Google Pixel 8 (Tensor G3)", "Android 14")
    assert (cpu["heat_before"], cpu["heat_after"]) == ("light", "light")
    assert "MHz before 1804 1804 2401 2850, after 1804 1804 2401 2850" in cpu["conditions"]
    assert "slowest: Convolution (NHWC, QC8) 1.10 ms" in cpu["conditions"]
    assert (cpu["runs"], float(cpu["peak_mb"])) == ("14", 18.7227)
    assert float(cpu["cold_start_ms"]) == pytest.approx(18.777 + 12.0)
    assert "rm -rf /data/local/tmp/portraitnet-benchmark" in log(program)


def test_several_devices_at_once_each_with_its_own_trouble(adb, tool, tmp_path):
    program = adb(
        A1=phone("Good", newer=True),
        B2={**PIXEL, "state": "unauthorized"},
        C3={**PIXEL, "state": "offline"},
        D4=phone("Full", push="remote couldn't create file: No space left on device"),
        E5={**PIXEL, "state": "no permissions (missing udev rules?)"},
    )
    outcome = run(program, plan(), tmp_path / "out", tool)
    assert [row["machine"] for row in read_csv(outcome.path)] == ["Google Good (Tensor G3)"]
    said = "\n".join(outcome.problems)
    assert "B2 is unauthorized: allow USB debugging on its screen" in said
    assert "C3 is offline" in said
    assert "Google Full (Tensor G3): " in said
    assert "No space left on device" in said
    assert "E5 is no permissions: this user may not open" in said


def test_a_delegate_that_refuses_gives_no_figure(adb, tool, tmp_path):
    program = adb(A1=phone("Pixel 8", tool={"nnapi": "refused", "gpu": "crash"}))
    outcome = run(program, plan(("cpu", "gpu", "nnapi")), tmp_path / "out", tool)
    assert [row["backend"] for row in read_csv(outcome.path)] == ["LiteRT CPU (XNNPACK)"]
    said = "\n".join(outcome.problems)
    assert "on NNAPI: NNAPI did not take this model" in said
    assert "on GPU: " in said
    assert "Failed to apply GPU delegate" in said
    # A contestant that failed is not tried again in later turns.
    assert log(program).count("--use_gpu=true") == 1


def test_a_tool_that_is_killed_costs_its_contestant_alone(adb, tool, tmp_path):
    outcome = run(adb(A1=phone("Pixel 8", tool={"gpu": "killed"})), plan(("cpu", "gpu")), tmp_path / "out", tool)
    assert outcome.results == 1
    assert any("Killed" in line for line in outcome.problems)


def test_a_cable_that_is_pulled_keeps_what_was_measured(adb, tool, tmp_path):
    program = adb(A1=phone("Pixel 8", tool={"gpu": "gone"}))
    outcome = run(program, plan(("cpu", "gpu"), turns=3), tmp_path / "out", tool)
    (row,) = read_csv(outcome.path)
    assert (row["backend"], row["runs"]) == ("LiteRT CPU (XNNPACK)", "7")  # one turn of three
    assert any("not found" in line for line in outcome.problems)
    assert log(program).count("benchmark_model --graph") == 2


def test_chosen_devices_and_missing_ones(adb, tool, tmp_path):
    program = adb(A1=phone("One"), B2=phone("Two"))
    outcome = run(program, plan(), tmp_path / "out", tool, ["B2", "Z9"])
    assert [row["machine"] for row in read_csv(outcome.path)] == ["Google Two (Tensor G3)"]
    assert outcome.problems == ["Z9 is not connected"]


def test_nothing_connected_and_nothing_installed_are_said(adb, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no Android device is ready: connect one by cable"):
        run(adb(), plan(), tmp_path / "out", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="comes with Android's platform-tools"):
        Adb.find(None)
    with pytest.raises(InputError, match=r"benchmark_model for arm64-v8a is not at .*links ready-made ones"):
        tool_for("arm64-v8a", None)


def test_plans_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(InputError, match="choose from cpu, gpu, nnapi"):
        plan(("tpu",))
    with pytest.raises(InputError, match=r"is no \.tflite file"):
        Plan((default_weights().with_suffix(".onnx"),), ("cpu",), (1,))


def test_the_command(adb, tool, tmp_path):
    program = adb(A1=phone("Pixel 8"), B2={**PIXEL, "state": "unauthorized"})
    options = ["--adb", program.program, "--tool", str(tool), "--out", str(tmp_path / "out"), "--cool-down", "0"]
    done = CliRunner().invoke(app, ["phone", "adb", *options, "--on", "cpu", "--threads", "1,4", "--turns", "1"])
    assert done.exit_code == 0, done.output
    assert "2 results:" in done.output
    assert "B2 is unauthorized" in done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "printed nothing"),
        ("STARTING!\nERROR: Model file not found\nfoo", "Model file not found"),
        ("/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file", "64-bit ELF"),
        ("count=5 first=1\nInference timings in us: Init: 1, First inference: 2,", "no average"),
    ],
)
def test_outputs_without_a_result_say_why(text, message):
    with pytest.raises(InputError, match=message):
        read_tool_output(text, "cpu")
