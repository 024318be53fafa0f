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
    "ms": {"cpu": 12.0, "gpu": 4.0, "npu": 0.5},
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
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{folder}/fake_adb.py" "$@"\n')
        program.chmod(0o755)
        return Adb.find(program)

    return make


@pytest.fixture
def tool(tmp_path):
    path = tmp_path / "benchmark_model"
    path.write_bytes(b"\x7fELF")
    return path


@pytest.fixture
def libraries(tmp_path):
    folder = tmp_path / "libraries"
    folder.mkdir()
    (folder / "libLiteRtDispatch_Qualcomm.so").write_bytes(b"\x7fELF")
    return folder


def plan(places=("cpu",), threads=(1,), turns=2, **changes):
    return Plan((default_weights(),), places, threads, runs=7, turns=turns, cool_down=0, **changes)


def run(program, planned, out, tool, serials=()):
    with Progress(disable=True) as bar:
        return benchmark_devices(program, planned, out, tool, serials, bar)


def log(program):
    return Path(program.program).with_name("log.txt").read_text()


def test_cpu_gpu_and_npu_with_residency_heat_and_clocks(adb, tool, tmp_path, libraries):
    program = adb(A1=phone("Pixel 8", heat=1))
    planned = plan(("cpu", "gpu", "npu"), (1, 2), npu_libraries=libraries)
    outcome = run(program, planned, tmp_path / "out", tool)
    assert outcome.problems == []
    rows = {(r["backend"], r["threads"]): r for r in read_csv(outcome.path)}
    assert len(rows) == outcome.results == 4
    cpu = rows["LiteRT CPU (XNNPACK)", "2"]
    assert float(cpu["median_ms"]) == 6.0
    assert cpu["residency"] == "122/124 in 1"
    assert rows["LiteRT GPU", "1"]["residency"] == "whole"
    assert rows["LiteRT NPU", "1"]["residency"] == "whole"  # which the tool was asked to insist on
    assert float(rows["LiteRT NPU", "1"]["median_ms"]) == 0.5
    assert (cpu["machine"], cpu["versions"]) == ("Google Pixel 8 (Tensor G3)", "Android 14")
    assert (cpu["heat_before"], cpu["heat_after"]) == ("light", "light")
    assert "MHz before 1804 1804 2401 2850, after 1804 1804 2401 2850" in cpu["conditions"]
    assert "slowest: Convolution (NHWC, QC8) 1.10 ms" in cpu["conditions"]
    assert (cpu["runs"], float(cpu["peak_mb"])) == ("14", 18.7227)
    assert float(cpu["cold_start_ms"]) == pytest.approx(18.777 + 12.0)
    assert "rm -rf /data/local/tmp/portraitnet-benchmark" in log(program)


def test_the_tool_of_litert_2(adb, tool, tmp_path):
    outcome = run(adb(A1=phone("Pixel 8", litert=2)), plan(("cpu", "gpu")), tmp_path / "out", tool)
    cpu, gpu = sorted(read_csv(outcome.path), key=lambda row: row["backend"])
    assert (float(cpu["median_ms"]), float(gpu["median_ms"])) == (12.0, 4.0)
    assert float(cpu["cold_start_ms"]) == pytest.approx(5.76 + 24.0)  # to the first result
    assert (cpu["runs"], float(cpu["peak_mb"]), gpu["residency"]) == ("14", 7.07, "whole")


def test_a_sustained_run_tells_when_it_throttles_and_the_rate_that_stays(adb, tool, tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 5))  # the stretches are told to last; here a look at the clock takes 5 s
    monkeypatch.setattr("portraitnet.benchmarks.phone.adb.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("portraitnet.benchmarks.phone.adb._HOT_WAIT", 0)  # this phone does not cool down
    program = adb(A1=phone("Pixel 8", litert=2, cool_calls=4, throttles=2.0, heat=2))
    outcome = run(program, plan(turns=1, sustained=1.0), tmp_path / "out", tool)
    rows = read_csv(outcome.sustained)
    rates = [float(row["per_second"]) for row in rows]
    assert len(rows) >= 5
    assert rates[:3] == [83.33] * 3  # 12 ms
    assert rates[-1] == 41.67
    assert {row["heat"] for row in rows} == {"moderate"}
    assert (rows[0]["machine"], rows[0]["backend"]) == ("Google Pixel 8 (Tensor G3)", "LiteRT CPU (XNNPACK)")
    (line,) = [line for line in outcome.problems if "steady" in line]
    assert "83.3 inferences/s at first, throttles after " in line
    assert line.endswith("steady 41.7/s")
    assert "--num_runs=1 --min_secs=10 --max_secs=20" in log(program)
    assert [float(row["median_ms"]) for row in read_csv(outcome.path)] == [12.0]


def test_an_older_tool_that_ignores_the_flag_gives_no_figure_of_the_npu(adb, tool, tmp_path, libraries):
    program = adb(A1=phone("Pixel 8", tool={"npu": "unknown"}))
    outcome = run(program, plan(("cpu", "npu"), npu_libraries=libraries), tmp_path / "out", tool)
    assert [row["backend"] for row in read_csv(outcome.path)] == ["LiteRT CPU (XNNPACK)"]
    assert any("knows no --use_npu: take one of LiteRT 2.x" in line for line in outcome.problems)


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


def test_a_delegate_that_refuses_gives_no_figure(adb, tool, tmp_path, libraries):
    program = adb(A1=phone("Pixel 8", tool={"npu": "refused", "gpu": "crash"}))
    outcome = run(program, plan(("cpu", "gpu", "npu"), npu_libraries=libraries), tmp_path / "out", tool)
    assert [row["backend"] for row in read_csv(outcome.path)] == ["LiteRT CPU (XNNPACK)"]
    said = "\n".join(outcome.problems)
    assert "on NPU: NPU did not take this model" in said
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
    with pytest.raises(InputError, match="choose from cpu, gpu, npu"):
        plan(("nnapi",))
    with pytest.raises(InputError, match=r"--npu-libraries FOLDER with LiteRT's libLiteRtDispatch_\*\.so"):
        plan(("npu",))
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
