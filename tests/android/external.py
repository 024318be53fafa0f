"""Draws frames out of external textures with the app's own shader, in a real OpenGL ES: Mesa's software renderer.

    python external.py GOLDEN OUT

An EGLImage of an ordinary texture stands for the camera. For each texture of the golden folder it writes NAME.npy,
uint8 height x width x 3. A process of its own, because Mesa's LLVM and TensorFlow's crash in one. OpenGL is called
through ctypes: moderngl knows no external textures.
"""

from __future__ import annotations

import ctypes
import json
import sys
from ctypes import byref, c_char_p, c_float, c_int, c_uint, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

ANDROID = Path(__file__).parents[2] / "android_demo" / "render" / "src" / "main" / "assets"
SHARED = Path(__file__).parents[2] / "runtime" / "shaders"
TEXTURE_2D, EXTERNAL, RGBA, RGBA8, BYTES = 0x0DE1, 0x8D65, 0x1908, 0x8058, 0x1401
VERTEX_SHADER, FRAGMENT_SHADER, COMPILED, LINKED = 0x8B31, 0x8B30, 0x8B81, 0x8B82
FRAMEBUFFER, COLOUR = 0x8D40, 0x8CE0
SURFACELESS, ES_API, NO_SURFACE_CONFIG = 0x31DD, 0x30A0, (0x3040, 0x40, 0x3033, 1, 0x3038)
IMAGE_OF_TEXTURE, EGL_NONE = 0x30B1, 0x3038
MISSING = 77  # exit status: there is no OpenGL ES with external textures here


class Es:
    """A context of OpenGL ES 3 without a window."""

    def __init__(self) -> None:
        self.egl, self.gl = ctypes.CDLL("libEGL.so.1"), ctypes.CDLL("libGLESv2.so.2")
        for name in ("eglGetPlatformDisplay", "eglCreateContext", "eglGetProcAddress"):
            getattr(self.egl, name).restype = c_void_p
        self.egl.eglGetProcAddress.argtypes = [c_char_p]
        self.gl.glGetString.restype = c_char_p
        self.display = c_void_p(self.egl.eglGetPlatformDisplay(SURFACELESS, None, None))
        if not self.egl.eglInitialize(self.display, None, None):
            sys.exit(MISSING)
        self.egl.eglBindAPI(ES_API)
        config, count = c_void_p(), c_int()
        self.egl.eglChooseConfig(self.display, (c_int * 5)(*NO_SURFACE_CONFIG), byref(config), 1, byref(count))
        self.context = c_void_p(self.egl.eglCreateContext(self.display, config, None, (c_int * 3)(0x3098, 3, EGL_NONE)))
        if not self.egl.eglMakeCurrent(self.display, None, None, self.context):
            sys.exit(MISSING)
        if b"GL_OES_EGL_image_external_essl3" not in self.gl.glGetString(0x1F03):
            sys.exit(MISSING)
        create = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_uint, c_void_p, c_void_p)
        self.create_image = create(self.egl.eglGetProcAddress(b"eglCreateImageKHR"))
        self.image_to_texture = ctypes.CFUNCTYPE(None, c_uint, c_void_p)(
            self.egl.eglGetProcAddress(b"glEGLImageTargetTexture2DOES")
        )

    def texture(self, height: int, width: int, pixels: np.ndarray | None = None) -> int:
        """An RGBA8 texture, with `pixels` (uint8 height x width x 4) or empty."""
        name = c_uint()
        self.gl.glGenTextures(1, byref(name))
        self.gl.glBindTexture(TEXTURE_2D, name)
        self.gl.glTexStorage2D(TEXTURE_2D, 1, RGBA8, width, height)
        if pixels is not None:
            self.gl.glTexSubImage2D(TEXTURE_2D, 0, 0, 0, width, height, RGBA, BYTES, pixels.tobytes())
        return name.value

    def external(self, texture: int) -> None:
        """Bind what `texture` holds as an external texture, set as CameraTexture sets its own."""
        image = self.create_image(self.display, self.context, IMAGE_OF_TEXTURE, texture, None)
        assert image, f"no EGLImage: 0x{self.egl.eglGetError():x}"
        name = c_uint()
        self.gl.glGenTextures(1, byref(name))
        self.gl.glBindTexture(EXTERNAL, name)
        self.image_to_texture(EXTERNAL, image)
        for parameter, value in ((0x2802, 0x812F), (0x2803, 0x812F), (0x2801, 0x2601), (0x2800, 0x2601)):
            self.gl.glTexParameteri(EXTERNAL, parameter, value)  # clamped to the edge; linear

    def program(self, vertex: str, fragment: str) -> int:
        """A linked program; its compiler's words where it does not take the shaders."""
        program = self.gl.glCreateProgram()
        for kind, text in ((VERTEX_SHADER, vertex), (FRAGMENT_SHADER, fragment)):
            shader = self.gl.glCreateShader(kind)
            self.gl.glShaderSource(shader, 1, byref(c_char_p(text.encode())), None)
            self.gl.glCompileShader(shader)
            self._check(self.gl.glGetShaderiv, self.gl.glGetShaderInfoLog, shader, COMPILED)
            self.gl.glAttachShader(program, shader)
        self.gl.glLinkProgram(program)
        self._check(self.gl.glGetProgramiv, self.gl.glGetProgramInfoLog, program, LINKED)
        return program

    def draw(self, program: int, values: dict[str, list[float]], height: int, width: int) -> np.ndarray:
        """What `program` draws from the external texture of unit 0: uint8 height x width x 3, the top row first."""
        target, buffer = self.texture(height, width), c_uint()
        self.gl.glGenFramebuffers(1, byref(buffer))
        self.gl.glBindFramebuffer(FRAMEBUFFER, buffer)
        self.gl.glFramebufferTexture2D(FRAMEBUFFER, COLOUR, TEXTURE_2D, target, 0)
        self.gl.glViewport(0, 0, width, height)
        self.gl.glUseProgram(program)
        self.gl.glUniform1i(self.gl.glGetUniformLocation(program, b"camera"), 0)
        for name, (x, y) in values.items():
            place = self.gl.glGetUniformLocation(program, name.encode())
            assert place >= 0, f"the shader has no {name}"
            self.gl.glUniform2f(place, c_float(x), c_float(y))
        self.gl.glDrawArrays(4, 0, 3)
        pixels = np.empty((height, width, 4), np.uint8)
        self.gl.glReadPixels(0, 0, width, height, RGBA, BYTES, pixels.ctypes.data_as(c_void_p))
        assert self.gl.glGetError() == 0
        return pixels[..., :3]

    @staticmethod
    def _check(get: Any, words: Any, name: int, what: int) -> None:
        done, text = c_int(), ctypes.create_string_buffer(2000)
        get(name, what, byref(done))
        words(name, 2000, None, text)
        assert done.value, text.value.decode()


def main(golden: Path, out: Path) -> None:
    """Draw every texture of the golden folder."""
    es = Es()
    program = es.program((SHARED / "whole.vert.glsl").read_text(), (ANDROID / "external.frag.glsl").read_text())
    for case in json.loads((golden / "index.json").read_text())["textures"]:
        plan = json.loads((golden / f"texture-{case['name']}.json").read_text())
        one, (frame, *_) = plan["passes"][0], plan["targets"]
        assert (one["shader"], one["targets"], one["textures"]) == ("external", ["frame"], {"camera": "camera"})
        height, width = case["buffer_size"]
        rgb = np.frombuffer((golden / case["buffer"]).read_bytes(), np.uint8).reshape(height, width, 3)
        es.external(es.texture(height, width, np.dstack([rgb, np.full((height, width), 255, np.uint8)])))
        np.save(out / f"{case['name']}.npy", es.draw(program, one["values"], frame["height"], frame["width"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
