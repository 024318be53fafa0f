"""Draws the passes that android_demo/core planned, in a real OpenGL: Mesa's software renderer, without a window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import moderngl
import numpy as np

SHARED = Path(__file__).parents[2] / "runtime" / "shaders"
OWN = Path(__file__).parents[2] / "android_demo" / "render" / "src" / "main" / "assets"
GREY = 128 / 255


class Plans:
    """Programs of all shaders, and textures by name."""

    def __init__(self) -> None:
        self.context = moderngl.create_context(standalone=True, backend="egl")
        vertex = (SHARED / "whole.vert.glsl").read_text()
        files = [*SHARED.glob("*.frag.glsl"), *OWN.glob("*.frag.glsl")]
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


def read_plan(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"plan-{name}.json").read_text())
