"""Golden vectors for android_demo/core: what the Python runtime makes of inputs that the Kotlin tests read."""

from __future__ import annotations

import dataclasses
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from portraitnet.benchmarks.arm import raw_input, raw_output
from portraitnet.benchmarks.reporting.table import LATENCY_COLUMNS
from portraitnet.runtime.backends import default_weights, open_backend
from portraitnet.runtime.compositing.composite import blend, blur_background, replace_background
from portraitnet.runtime.compositing.fringe import without_fringe
from portraitnet.runtime.compositing.levels import levels
from portraitnet.runtime.compositing.refine import refine_alpha
from portraitnet.runtime.compositing.smoothing import AlphaSmoother
from portraitnet.runtime.contract import Artefact
from portraitnet.runtime.files import bytes_of, sha256_of
from portraitnet.runtime.geometry import GEOMETRIES, LETTERBOX, Letterbox

RUNTIME = Path(__file__).parents[2] / "runtime"


def write_golden(folder: Path) -> None:
    """Write index.json and the arrays that it names."""
    writer = _Writer(folder)
    index = {
        "letterboxes": _letterboxes(),
        "frames": _frames(writer),
        "smoothing": [_smoothing(writer)],
        "alphas": [_alpha(writer)],
        "composites": _composites(writer),
        "own_colours": _own_colours(writer),
        "percentiles": _percentiles(),
        "contracts": [_contract(writer)],
        "plans": _plans(writer),
        "textures": _textures(writer),
        "constants": [json.loads((RUNTIME / "constants.json").read_text())],
        "benchmark": [{"columns": list(LATENCY_COLUMNS)}],
    }
    (folder / "index.json").write_text(json.dumps(index))


def _contract(writer: _Writer) -> dict[str, object]:
    """The shipped model, its model.json, what LiteRT says of its tensors, and what it makes of one input."""
    model = default_weights()
    artefact = Artefact(model.name, "tflite", "int8", sha256_of(model), bytes_of(model))
    contract = dataclasses.replace(open_backend(model).contract, artefacts=(artefact,))
    contract.write(writer.folder)
    interpreter = Interpreter(str(model))
    given = raw_input(model)
    return {
        "json": "model.json",
        "tflite": writer.raw(model.read_bytes()),
        "name": contract.name,
        "height": contract.height,
        "width": contract.width,
        "sha256": artefact.sha256,
        "input": _tensor(interpreter.get_input_details()[0]),
        "output": _tensor(interpreter.get_output_details()[0]),
        "pixels": writer(given),
        "alpha": writer(raw_output(model, given)),
    }


def _tensor(details: dict[str, Any]) -> dict[str, object]:
    scale, zero_point = details["quantization"]
    shape = [int(side) for side in details["shape"]]
    return {"shape": shape, "dtype": details["dtype"].__name__, "scale": scale, "zero_point": zero_point}


class _Writer:
    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, array: np.ndarray) -> str:
        assert array.dtype in (np.uint8, np.float32)
        return self.raw(np.ascontiguousarray(array).tobytes())

    def read(self, name: str) -> np.ndarray:
        return np.frombuffer((self.folder / name).read_bytes(), np.uint8)

    def raw(self, content: bytes) -> str:
        self.count += 1
        name = f"{self.count}.bin"
        (self.folder / name).write_bytes(content)
        return name


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth uint8 RGB picture, in the range where no colour of YUV is cut off."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(70, 190, (height // 16 + 2, width // 16 + 2, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(40, 215).astype(np.uint8)


def _letterboxes() -> list[dict[str, object]]:
    sizes = [(720, 1280), (1280, 720), (480, 640), (1, 5000), (333, 77), (224, 224)]
    cases = []
    for source, target, geometry in product(sizes, [(224, 224), (128, 128), (160, 256)], GEOMETRIES):
        box = Letterbox.fit(source, target, geometry)
        placed = [box.top, box.left, box.height, box.width]
        cases.append({"sizes": [*source, *target], "geometry": geometry, "box": placed})
    return cases


def _frames(writer: _Writer) -> list[dict[str, object]]:
    cases = []
    sensors = [(96, 72), (640, 480), (50, 34), (384, 192)]  # shrunk; halved and shrunk; grown; a whole multiple
    for (width, height), degrees, mirror in product(sensors, (0, 90, 180, 270), (False, True)):
        for kind in ("rgba", "yuv", "nv21"):
            crop = (4, 2, width - 10, height - 6) if kind == "nv21" else (0, 0, width, height)
            cases.append(_frame(writer, kind, (width, height), crop, degrees, mirror, (64, 64)))
    for geometry in GEOMETRIES:
        cases.append(_frame(writer, "yuv", (1280, 720), (0, 0, 1280, 720), 270, True, (128, 160), geometry))
    return cases


def _frame(
    writer: _Writer,
    kind: str,
    sensor: tuple[int, int],
    crop: tuple[int, int, int, int],
    degrees: int,
    mirror: bool,
    target: tuple[int, int],
    geometry: str = LETTERBOX,
) -> dict[str, object]:
    width, height = sensor
    rgb = picture(width + degrees, height, width)
    case: dict[str, object] = {"name": f"{kind} {sensor} {degrees} {mirror}", "sensor": sensor, "crop": crop}
    case |= {"degrees": degrees, "mirror": mirror, "target": target, "geometry": geometry}
    case["format"] = "rgba" if kind == "rgba" else "yuv"
    if kind == "rgba":
        case |= _plane(writer, "rgba", np.dstack([rgb, np.full((height, width), 9, np.uint8)]), width * 4 + 12, 4)
    else:
        y, u, v = _to_yuv(rgb)
        rgb = _from_yuv(y, u, v)
        case |= _plane(writer, "y", y, width + 6, 1)
        # Planar as from some cameras, or the two colours taking turns as from most.
        stride, step = (width // 2 + 3, 1) if kind == "yuv" else (width + 8, 2)
        case |= _plane(writer, "u", u, stride, step) | _plane(writer, "v", v, stride, step)
    left, top, wide, tall = crop
    upright = np.rot90(rgb[top : top + tall, left : left + wide], -degrees // 90)
    upright = np.ascontiguousarray(upright[:, ::-1] if mirror else upright)
    case |= {"upright": writer(upright), "upright_size": list(upright.shape[:2])}
    return {**case, "wanted": writer(Letterbox.fit(upright.shape[:2], target, geometry).apply(upright))}


def _plane(writer: _Writer, name: str, values: np.ndarray, row_stride: int, pixel_stride: int) -> dict[str, object]:
    """Values as a camera lays them, with rubbish in between."""
    height, width = values.shape[:2]
    rows = np.full((height, row_stride), 77, np.uint8)
    for channel in range(values.shape[2] if values.ndim == 3 else 1):
        rows[:, channel : width * pixel_stride : pixel_stride] = values.reshape(height, width, -1)[..., channel]
    return {name: writer(rows), f"{name}_strides": [row_stride, pixel_stride]}


def _to_yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    red, green, blue = np.moveaxis(rgb.astype(np.float64), 2, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = 128 + 0.564 * (blue - y), 128 + 0.713 * (red - y)
    return tuple(np.rint(plane).astype(np.uint8) for plane in (y, u[::2, ::2], v[::2, ::2]))


def _from_yuv(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """BT.601, full range; each sample of colour stands for four pixels."""
    height, width = y.shape
    u, v = (np.repeat(np.repeat(c, 2, 0), 2, 1)[:height, :width].astype(np.float64) - 128 for c in (u, v))
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1)
    return np.rint(rgb).clip(0, 255).astype(np.uint8)


def _smoothing(writer: _Writer) -> dict[str, object]:
    random = np.random.default_rng(0)
    elapsed = [1 / 30, 1 / 30, 1 / 15, 0.01, 2.0, 1 / 30, 1 / 24, 0.0, 1 / 30]
    base = random.random((12, 16)).astype(np.float32)
    alphas = [np.clip(base + random.normal(0, s, base.shape), 0, 1).astype(np.float32) for s in (0.02, 0.3, 0.05) * 3]
    smoother = AlphaSmoother()
    wanted = [smoother(alpha, seconds) for alpha, seconds in zip(alphas, elapsed, strict=True)]
    return {"size": 192, "elapsed": elapsed, "alphas": writer(np.stack(alphas)), "wanted": writer(np.stack(wanted))}


def _alpha(writer: _Writer) -> dict[str, object]:
    image, size, inputs = picture(3, 270, 480), (270, 480), (128, 128)
    box = Letterbox.fit(size, inputs)
    alpha = cv2.GaussianBlur((_blob(inputs) > 0.5).astype(np.float32), (0, 0), 3)
    content = box.content(alpha)
    grown = Letterbox(size, content.shape, 0, 0, *content.shape).undo(levels(content))
    facts = {"sizes": [*size, *inputs], "alpha": writer(alpha), "image": writer(image), "grown": writer(grown)}
    return {**facts, "refined": writer(refine_alpha(image, content))}


def _composites(writer: _Writer) -> list[dict[str, object]]:
    size = (96, 160)
    image, behind = picture(5, *size), picture(6, 70, 50)
    alpha = np.rint(cv2.GaussianBlur((_blob(size) > 0.5).astype(np.float32), (0, 0), 4) * 255).astype(np.uint8)
    shared = {"size": size, "image": writer(image), "alpha": writer(alpha)}
    colour = np.empty_like(image)
    colour[:] = (32, 128, 96)
    exact = {"name": "colour", "background": "colour", "colour": [32, 128, 96], "most": 0}
    cover = {"name": "picture", "background": "picture", "picture": writer(behind), "picture_size": [70, 50], "most": 1}
    cases = [
        {**exact, "wanted": writer(blend(image, colour, alpha))},
        {**cover, "wanted": writer(replace_background(image, alpha, behind))},
    ]
    for strength in (1.0, 2.0, 6.0):
        wanted = writer(blur_background(image, alpha, strength))
        cases.append({"name": "blur", "background": "blur", "strength": strength, "most": 2, "wanted": wanted})
    return [{**shared, **case} for case in cases]


def _own_colours(writer: _Writer) -> list[dict[str, object]]:
    """A person of one colour before another, mixed at a soft outline: exact where nothing is shrunk."""
    cases = []
    for name, size, most in (("as large as it is", (120, 160), 1), ("shrunk to a quarter", (360, 640), 12)):
        alpha = cv2.GaussianBlur((_blob(size) > 0.5).astype(np.float32), (0, 0), size[1] / 40)
        person, behind = picture(9, *size) // 2 + 110, picture(10, *size) // 3
        image = np.rint(alpha[..., None] * person + (1 - alpha[..., None]) * behind).astype(np.uint8)
        alpha = np.rint(alpha * 255).astype(np.uint8)
        wanted = without_fringe(image, alpha)
        assert np.abs(wanted.astype(int) - image).max() > 40  # there is something to correct
        facts = {"name": name, "size": size, "most": most, "image": writer(image), "alpha": writer(alpha)}
        cases.append({**facts, "wanted": writer(wanted)})
    return cases


def _plans(writer: _Writer) -> list[dict[str, object]]:
    """Whole frames for the GPU: planes and the model's alpha in, the model's input and the result out."""
    cases = []
    looks: list[dict[str, object]] = [
        {"scene": "none"},
        {"scene": "colour", "colour": [32, 128, 96]},
        {"scene": "picture", "picture_size": [70, 50]},
        {"scene": "blur", "strength": 2.0},
        {"scene": "blur", "strength": 6.0},
        {"scene": "colour", "colour": [255, 255, 255], "refine": True},
        {"scene": "blur", "strength": 2.0, "refine": True},
    ]
    turns = [(0, False), (90, True), (180, False), (270, True), (0, True), (270, False), (90, False)]
    for number, (look, (degrees, mirror)) in enumerate(zip(looks, turns, strict=True)):
        kind = ("yuv", "nv21")[number % 2]
        sensor = ((640, 480), (320, 192), (1280, 720))[number % 3]
        crop = (4, 2, sensor[0] - 10, sensor[1] - 6) if number == 1 else (0, 0, *sensor)
        case = _frame(writer, kind, sensor, crop, degrees, mirror, (160, 160), GEOMETRIES_BY_TURN[number % 2])
        cases.append({**case, **_composed(writer, case, look), "name": f"{number}", "chroma": [0, 0]})
    return cases


GEOMETRIES_BY_TURN = (LETTERBOX, next(name for name in GEOMETRIES if name.startswith("stretch-")))


def _composed(writer: _Writer, case: dict[str, Any], look: dict[str, Any]) -> dict[str, object]:
    """What Python makes of a frame's upright picture (which `_frame` made again from its planes)."""
    image = writer.read(case["upright"]).reshape(*case["upright_size"], 3)
    box = Letterbox.fit(image.shape[:2], case["target"], case["geometry"])
    alpha = cv2.GaussianBlur((_blob(case["target"]) > 0.5).astype(np.float32), (0, 0), 2)
    alpha = np.rint(alpha * 255).astype(np.uint8)
    content = box.content(alpha.astype(np.float32) / 255)
    if look.get("refine"):
        mask = refine_alpha(image, content)
    else:
        mask = Letterbox(image.shape[:2], content.shape, 0, 0, *content.shape).undo(levels(content))
    facts: dict[str, Any] = {"refine": False, **look, "alpha": writer(alpha)}
    if look["scene"] == "none":
        composed = image
    elif look["scene"] == "blur":
        composed = blur_background(image, mask, look["strength"])
    else:
        person = without_fringe(image, mask)
        if look["scene"] == "picture":
            behind = picture(8, *look["picture_size"])
            facts["picture"] = writer(behind)
        else:
            behind = np.array(look["colour"], np.uint8).reshape(1, 1, 3)
        composed = replace_background(person, mask, behind)
    return {**facts, "composed": writer(composed)}


def _textures(writer: _Writer) -> list[dict[str, object]]:
    """Frames in external textures: the buffer, SurfaceTexture's matrix, and the upright picture (float32)."""
    straight = [
        (sensor, front, display) for sensor, front in ((90, False), (270, True)) for display in (0, 90, 180, 270)
    ]
    straight += [(270, False, 90), (90, True, 270), (0, False, 90), (180, True, 0)]
    cases = []
    for sensor, front, display in straight:
        degrees = (sensor + display if front else sensor - display) % 360  # as CameraX counts it
        facts = {"from_camera": True, "display": display, "degrees": degrees, "mirror": front}
        cases.append({**facts, "matrix": surface_matrix(sensor, front), "crop": None})
        if display == 90:
            crop = (8, 4, 88, 52)
            cases.append({**facts, "matrix": surface_matrix(sensor, front, crop, (64, 96)), "crop": crop})
    for degrees, mirror in ((0, False), (90, True), (180, False), (270, True)):  # a stream that CameraX processed
        facts = {"from_camera": False, "display": 90, "degrees": degrees, "mirror": mirror}
        cases.append({**facts, "matrix": surface_matrix(0, False), "crop": None})
    facts = {"from_camera": False, "display": 0, "degrees": 180, "mirror": True}  # together: upside down
    cases.append({**facts, "matrix": np.eye(4), "crop": None, "upside_down": True})
    return [_texture(writer, number, case) for number, case in enumerate(cases)]


def _texture(writer: _Writer, number: int, case: dict[str, Any]) -> dict[str, object]:
    buffer = picture(40 + number, 64, 96)
    upright = buffer[::-1] if case.get("upside_down") else buffer
    if case["crop"]:
        upright = _magnified(upright, case["crop"])
    upright = np.rot90(upright, -case["degrees"] // 90)
    upright = upright[:, ::-1] if case["mirror"] else upright
    facts = {"name": f"{number}", "whole": not case["crop"] and not case.get("upside_down"), "buffer_size": [64, 96]}
    facts |= {"buffer": writer(buffer), "upright_size": list(upright.shape[:2])}
    return {**case, **facts, "matrix": case["matrix"].T.ravel().tolist(), "upright": writer(upright.astype(np.float32))}


def surface_matrix(
    sensor: int, front: bool, crop: tuple[int, int, int, int] | None = None, size: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """What SurfaceTexture.getTransformMatrix gives (4 x 4) for a camera whose sensor is turned by `sensor` degrees.

    As Android's GLConsumer and camera service do it: flips, then a turn, then `crop` (left, top, right, bottom, less a
    texel) of a buffer of `size`, then the flip that puts the buffer's first row on top. A front camera is mirrored.
    """
    flip_x = np.array([[-1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    flip_y = np.array([[1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    quarter = np.array([[0, -1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    turned = (360 - sensor) % 360 if front else sensor
    flips = (turned in (180, 270)) ^ front, turned in (180, 270)  # both: half a turn
    matrix = np.eye(4)
    for wanted, step in ((flips[0], flip_x), (flips[1], flip_y), (turned % 180 == 90, quarter)):
        matrix = matrix @ step if wanted else matrix
    if crop:
        (left, top, right, bottom), (height, width) = crop, size
        scale = np.diag([(right - left - 2) / width, (bottom - top - 2) / height, 1, 1])
        scale[:2, 3] = (left + 1) / width, (height - bottom + 1) / height
        matrix = scale @ matrix
    return flip_y @ matrix


def _magnified(image: np.ndarray, crop: tuple[int, int, int, int]) -> np.ndarray:
    """The part `crop`, less a texel on each side, at the whole picture's size: bilinear, float."""
    height, width = image.shape[:2]
    left, top, right, bottom = crop
    x = left + 1 + (np.arange(width) + 0.5) / width * (right - left - 2) - 0.5
    y = top + 1 + (np.arange(height) + 0.5) / height * (bottom - top - 2) - 0.5
    columns, rows = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = (x - columns)[None, :, None], (y - rows)[:, None, None]
    values = image.astype(np.float64)
    upper = values[rows][:, columns] * (1 - across) + values[rows][:, columns + 1] * across
    lower = values[rows + 1][:, columns] * (1 - across) + values[rows + 1][:, columns + 1] * across
    return upper * (1 - down) + lower * down


def _blob(size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (np.hypot((rows - size[0] / 2) / size[0], (columns - size[1] / 2) / size[1]) < 0.3).astype(np.float32)


def _percentiles() -> list[dict[str, object]]:
    values = np.random.default_rng(1).gamma(3, 4, 51).round(3)
    return [{"values": values.tolist(), "p50": np.percentile(values, 50), "p90": np.percentile(values, 90)}]


if __name__ == "__main__":
    write_golden(Path(sys.argv[1]))  # for Gradle: gradlew :core:test -Pgolden=FOLDER
