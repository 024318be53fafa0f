"""Draws the passes that android_demo/core planned, in a real OpenGL: Mesa's software renderer, without a window.

    python plan.py GOLDEN OUT

A process of its own, because Mesa's LLVM and TensorFlow's crash in one. For each plan of the golden folder it writes
NAME.npz: the upright frame, the model's input and the composed result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import moderngl
import numpy as np

SHARED = Path(__file__).parents[2] / "runtime" / "shaders"
OWN = Path(__file__).parents[2] / "android_demo" / "render" / "src" / "main" / "assets"
EXTERNAL = OWN / "external.frag.glsl"
GREY = 128 / 255


class Plans:
    """Programs of all shaders, and textures by name."""

    def __init__(self) -> None:
        self.context = moderngl.create_context(standalone=True, backend="egl")
        vertex = (SHARED / "whole.vert.glsl").read_text()
        # External textures are of OpenGL ES alone: external.py draws them.
        files = [*SHARED.glob("*.frag.glsl"), *(path for path in OWN.glob("*.frag.glsl") if path != EXTERNAL)]
        self.programs = {
            path.name.split(".")[0]: self.context.program(vertex, fragment_shader=path.read_text()) for path in files
        }
        self.textures: dict[str, moderngl.Texture] = {}

    def upload(self, name: str, values: np.ndarray) -> None:
        """uint8 height x width, or height x width x channels."""
        height, width = values.shape[:2]
        channels = values.shape[2] if values.ndim == 3 else 1
        self.textures[name] = self.context.texture((width, height), channels, values.tobytes(), alignment=1)
        self._smooth(name)

    def draw(self, plan: dict[str, Any]) -> None:
        """All passes of `before` or `after`, one after the other."""
        for target in plan["targets"]:
            size = (target["width"], target["height"])
            self.textures[target["name"]] = self.context.texture(size, 4, dtype="f2" if target["half"] else "f1")
            self._smooth(target["name"])
        for one in plan["passes"]:
            self._pass(one)

    def read(self, name: str) -> np.ndarray:
        """uint8 height x width x 3."""
        texture = self.textures[name]
        return np.frombuffer(texture.read(), np.uint8).reshape(texture.height, texture.width, 4)[..., :3]

    def alpha(self) -> np.ndarray:
        """What was drawn as `alpha`: float32 height x width, 0..1."""
        texture = self.textures["alpha"]
        halves = np.frombuffer(texture.read(), np.float16)
        return halves.reshape(texture.height, texture.width, 4)[..., 0].astype(np.float32)

    def _smooth(self, name: str) -> None:
        texture = self.textures[name]
        texture.repeat_x = texture.repeat_y = False
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)

    def _pass(self, one: dict[str, Any]) -> None:
        program = self.programs[one["shader"]]
        frame = self.context.framebuffer([self.textures[name] for name in one["targets"]])
        frame.use()
        if one["box"]:
            frame.clear(GREY, GREY, GREY, 1)
            self.context.viewport = tuple(one["box"])
        known = {name: program[name] for name in program if isinstance(program[name], moderngl.Uniform)}
        unknown = {*one["textures"], *one["values"]} - known.keys()
        assert not unknown, f"{one['shader']} has no {unknown}"
        missing = known.keys() - {*one["textures"], *one["values"], "screen"}
        assert not missing, f"{one['shader']} is not told {missing}"
        for unit, (name, texture) in enumerate(one["textures"].items()):
            self.textures[texture].use(unit)
            known[name].value = unit
        for name, value in one["values"].items():
            known[name].value = tuple(value) if isinstance(value, list) else value
        if "screen" in known:
            known["screen"].value = False
        self.context.vertex_array(program, []).render(moderngl.TRIANGLES, 3)


def draw_case(plans: Plans, folder: Path, case: dict[str, Any]) -> dict[str, np.ndarray]:
    """`frame`, `input` and `result` of one case, uint8 height x width x 3."""
    plan = json.loads((folder / f"plan-{case['name']}.json").read_text())
    for name, key in (("luma", "y"), ("first", "u"), ("second", "v")):
        plans.upload(name, plane(folder, case, key))
    plans.draw(plan["before"])
    drawn = {name: plans.read(name) for name in ("frame", "input")}

    top, left, height, width = plan["box"]
    alpha = array(folder, case, "alpha", *case["target"])[top : top + height, left : left + width]
    plans.upload("raw", np.ascontiguousarray(alpha))
    if case["scene"] == "picture":
        plans.upload("picture", array(folder, case, "picture", *case["picture_size"], 3))
    plans.draw(plan["after"])
    drawn["result"] = plans.read("result")
    if case["refine"]:
        drawn |= draw_steady(plans, plan, np.ascontiguousarray(alpha))
    return drawn


def draw_steady(plans: Plans, plan: dict[str, Any], alpha: np.ndarray) -> dict[str, np.ndarray]:
    """Alpha, 0..1, of three draws: `first`; a paler person, by itself (`second`) and after the first (`steady`)."""
    first = plans.alpha()
    plans.upload("raw", np.uint8(alpha * 0.93))
    plans.draw(plan["after"])
    second = plans.alpha()
    plans.upload("raw", alpha)
    plans.draw(plan["after"])
    plans.textures["before"] = plans.textures["alpha"]
    plans.upload("raw", np.uint8(alpha * 0.93))
    plans.draw(plan["steady"])
    (pace,) = (one["values"]["pace"] for one in plan["steady"]["passes"] if one["shader"] == "alpha")
    return {"first": first, "second": second, "steady": plans.alpha(), "pace": np.array(pace)}


def plane(folder: Path, case: dict[str, Any], name: str) -> np.ndarray:
    """A camera's plane as it is uploaded: rows with their padding, two bytes a texel where colours alternate."""
    row_stride, pixel_stride = case[f"{name}_strides"]
    rows = np.frombuffer((folder / case[name]).read_bytes(), np.uint8).reshape(-1, row_stride)
    return rows if pixel_stride == 1 else rows[:, : row_stride // 2 * 2].reshape(len(rows), -1, 2)


def array(folder: Path, case: dict[str, Any], name: str, *shape: int) -> np.ndarray:
    """A golden array of the case."""
    return np.frombuffer((folder / case[name]).read_bytes(), np.uint8).reshape(shape)


def main(golden: Path, out: Path) -> None:
    """Draw every plan of the golden folder."""
    plans = Plans()
    for case in json.loads((golden / "index.json").read_text())["plans"]:
        np.savez(out / f"{case['name']}.npz", **draw_case(plans, golden, case))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
