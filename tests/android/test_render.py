"""The passes of android_demo's GPU path, in a real OpenGL, against what the Python runtime makes of the same frames."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from . import external
from .conftest import missing

PROGRAM, EXTERNAL = (Path(__file__).with_name(name) for name in ("plan.py", "external.py"))


@pytest.fixture(scope="module")
def drawn(core_run, tmp_path_factory):
    """The folder with what was drawn of each case."""
    assert core_run.returncode == 0, core_run.output
    if importlib.util.find_spec("moderngl") is None:
        missing("moderngl is not installed")
    out = tmp_path_factory.mktemp("drawn")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(core_run.golden), str(out)], capture_output=True, text=True, timeout=300
    )
    if "create_context" in done.stderr:
        missing(f"no OpenGL here ({done.stderr.splitlines()[-1]}); Debian: libegl1 libegl-mesa0 libgl1-mesa-dri")
    assert done.returncode == 0, done.stderr
    return out


def differences(found, wanted):
    return np.abs(found.astype(int) - wanted.astype(int))


@pytest.mark.parametrize("number", range(7))
def test_the_gpu_draws_what_python_computes(drawn, core_run, number):
    folder = core_run.golden
    case = json.loads((folder / "index.json").read_text())["plans"][number]
    found = np.load(drawn / f"{case['name']}.npz")

    def golden(name, size):
        return np.frombuffer((folder / case[name]).read_bytes(), np.uint8).reshape(*size, 3)

    assert differences(found["frame"], golden("upright", case["upright_size"])).max() <= 1
    off = differences(found["input"], golden("wanted", case["target"]))
    assert off.mean() < 1
    assert off.max() <= 6  # bilinear samples stand for areas
    off = differences(found["result"], golden("composed", case["upright_size"]))
    assert off.mean() < 0.5
    assert off.max() <= 8


@pytest.mark.parametrize("number", [5, 6])
def test_a_refined_outline_follows_the_frame_before(drawn, core_run, number):
    case = json.loads((core_run.golden / "index.json").read_text())["plans"][number]
    found = np.load(drawn / f"{case['name']}.npz")
    slow, tremble, motion = found["pace"]
    change = found["second"] - found["first"]
    share = np.clip((np.abs(change) - tremble) / (motion - tremble), 0, 1)
    share = share * share * (3 - 2 * share)
    assert np.abs(change).max() > tremble
    np.testing.assert_allclose(found["steady"], found["first"] + (slow + (1 - slow) * share) * change, atol=3e-3)


def test_a_frame_in_an_external_texture_is_drawn_upright(core_run, tmp_path):
    assert core_run.returncode == 0, core_run.output
    command = [sys.executable, str(EXTERNAL), str(core_run.golden), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode == external.MISSING:
        missing("no OpenGL ES with external textures here; Debian: libegl1 libgles2 libegl-mesa0 libgl1-mesa-dri")
    assert done.returncode == 0, done.stderr
    cases = json.loads((core_run.golden / "index.json").read_text())["textures"]
    assert {case["display"] for case in cases} == {0, 90, 180, 270}
    assert any(case["crop"] for case in cases)
    for case in cases:
        found = np.load(tmp_path / f"{case['name']}.npy")
        wanted = np.frombuffer((core_run.golden / case["upright"]).read_bytes(), np.float32).reshape(found.shape)
        assert np.abs(found - wanted).max() <= 1, case
        assert np.abs(wanted - wanted[::-1, ::-1]).max() > 20  # no picture that looks the same when turned
