"""Tiny real models (green means person), pictures and clips, made on the spot."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from portraitnet.runtime.contract import METADATA_KEY, Contract

SIDE = 32


@pytest.fixture
def contract():
    return Contract(name="tiny", classes=("background", "person"), height=SIDE, width=SIDE)


@pytest.fixture
def make_onnx(tmp_path):
    """A graph whose alpha is 1 where green exceeds red: uint8 N x H x W x 3 -> float32 N x H x W x 1."""
    from onnx import TensorProto, checker, helper, save

    def make(contract, name="tiny.onnx", metadata=None, side=None, input_type=TensorProto.UINT8):
        height, width = (side, side) if side else contract.size
        graph = helper.make_graph(
            [
                helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
                helper.make_node("Split", ["float"], ["r", "g", "b"], axis=3, num_outputs=3),
                helper.make_node("Greater", ["g", "r"], ["greener"]),
                helper.make_node("Cast", ["greener"], ["alpha"], to=TensorProto.FLOAT),
            ],
            "tiny",
            [helper.make_tensor_value_info("image", input_type, ["batch", height, width, 3])],
            [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, ["batch", height, width, 1])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(model)
        embedded = contract.to_json() if metadata is None else metadata
        if embedded:
            helper.set_model_props(model, {METADATA_KEY: embedded})
        path = tmp_path / name
        save(model, path)
        return path

    return make


@pytest.fixture
def segmenter(make_onnx, contract):
    from portraitnet.runtime import Segmenter

    return Segmenter.load(make_onnx(contract), threads=1)


@pytest.fixture
def person():
    """A green 'person' on a red scene: uint8 RGB 60 x 80 x 3 and its boolean mask."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[..., 0] = 200
    mask = np.zeros((60, 80), bool)
    mask[20:60, 25:55] = True
    image[mask] = (0, 200, 0)
    return image, mask


@pytest.fixture
def make_clip(tmp_path, person):
    """A clip of the green person with a marker that moves; options for all that phones do."""

    def make(
        name="clip.mp4",
        frames=12,
        size=(60, 80),
        sound=False,
        rotation=None,
        times=None,
        pix_fmt="yuv420p",
        options=None,
        colorspace=None,
        picture=None,
    ):
        base = Fraction(1, 90_000)
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as output:
            video = output.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "5"})
            video.height, video.width, video.pix_fmt = *size, pix_fmt
            video.codec_context.time_base = base
            if rotation is not None:
                video.set_display_rotation(rotation)
            if colorspace is not None:
                video.codec_context.colorspace = colorspace
            audio = output.add_stream("aac", rate=48_000, layout="mono") if sound else None
            for index in range(frames):
                image = np.zeros((*size, 3), np.uint8)
                if picture is not None:
                    image[:] = picture
                else:
                    source = person[0][: size[0], : size[1]]
                    image[: source.shape[0], : source.shape[1]] = source
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                if colorspace is not None:
                    frame = frame.reformat(format=pix_fmt, dst_colorspace=colorspace)
                frame.pts, frame.time_base = (times[index] if times else index * 3000), base
                output.mux(video.encode(frame))
                if audio:
                    tone = np.sin(np.arange(1600) * 0.05 * (index + 1)).astype(np.float32)[None]
                    block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                    block.sample_rate, block.pts = 48_000, index * 1600
                    output.mux(audio.encode(block))
            output.mux(video.encode(None))
            if audio:
                output.mux(audio.encode(None))
        return path

    return make


def rewrite_json(path, **changes):
    """Change fields of a JSON file in place."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
