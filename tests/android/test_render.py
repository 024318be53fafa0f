"""The passes of android_demo's GPU path, in a real OpenGL, against what the Python runtime makes of the same frames."""

from __future__ import annotations

import json

import numpy as np
import pytest

from .conftest import missing
from .plan import Plans, read_plan


@pytest.fixture(scope="module")
def plans():
    try:
        return Plans()
    except Exception as error:  # noqa: BLE001 - moderngl raises bare Exception where there is no EGL
        missing(f"no OpenGL here ({error}); Debian: libegl1 libegl-mesa0 libgl1-mesa-dri")


@pytest.fixture(scope="module")
def cases(core_run):
    assert core_run.returncode == 0, core_run.output
    return json.loads((core_run.golden / "index.json").read_text())["plans"]


def plane(folder, case, name):
    """A camera's plane as it is uploaded: rows as long as they lie, two bytes a texel where colours take turns."""
    row_stride, pixel_stride = case[f"{name}_strides"]
    rows = np.frombuffer((folder / case[name]).read_bytes(), np.uint8).reshape(-1, row_stride)
    return rows if pixel_stride == 1 else rows[:, : row_stride // 2 * 2].reshape(len(rows), -1, 2)


def array(folder, case, name, *shape):
    return np.frombuffer((folder / case[name]).read_bytes(), np.uint8).reshape(shape)


def differences(found, wanted):
    return np.abs(found.astype(int) - wanted.astype(int))


@pytest.mark.parametrize("number", range(7))
def test_the_gpu_draws_what_python_computes(plans, cases, core_run, number):
    folder, case = core_run.golden, cases[number]
    plan = read_plan(folder, case["name"])
    for name, key in (("luma", "y"), ("first", "u"), ("second", "v")):
        plans.upload(name, plane(folder, case, key))
    plans.draw(plan["before"])

    size = case["upright_size"]
    upright = array(folder, case, "upright", *size, 3)
    assert differences(plans.read("frame"), upright).max() <= 1
    wanted = array(folder, case, "wanted", *case["target"], 3)
    off = differences(plans.read("input"), wanted)
    assert off.mean() < 1
    assert off.max() <= 6  # bilinear samples stand for areas

    top, left, height, width = plan["box"]
    alpha = array(folder, case, "alpha", *case["target"])[top : top + height, left : left + width]
    plans.upload("raw", np.ascontiguousarray(alpha))
    if case["scene"] == "picture":
        plans.upload("picture", array(folder, case, "picture", *case["picture_size"], 3))
    plans.draw(plan["after"])
    composed = array(folder, case, "composed", *size, 3)
    off = differences(plans.read("result"), composed)
    assert off.mean() < 0.5
    assert off.max() <= 8
