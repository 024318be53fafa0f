"""Tiny real models (green means person), pictures and clips, made on the spot."""

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
        sound=None,
        rotation=None,
        times=None,
        pix_fmt="yuv420p",
        options=None,
        colorspace=None,
        picture=None,
        noise=False,
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
            audio = output.add_stream(sound, rate=48_000, layout="mono") if sound else None
            if audio:
                audio.codec_context.open()
                resampler = av.AudioResampler(audio.format, "mono", 48_000, audio.codec_context.frame_size)
            for index in range(frames):
                image = np.zeros((*size, 3), np.uint8)
                if noise:
                    image = np.random.default_rng(index).integers(0, 255, image.shape, np.uint8)
                elif picture is not None:
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
                    for part in resampler.resample(block):
                        output.mux(audio.encode(part))
            output.mux(video.encode(None))
            if audio:
                output.mux(audio.encode(None))
        return path

    return make


@pytest.fixture
def make_tflite(tmp_path):
    """A TFLite graph whose alpha is the mean of red, green and blue: float32 inside, or uint8 in and out."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name, shape, kind, buffer=0, scale=None):
        result = schema.TensorT()
        result.name, result.shape, result.type, result.buffer = name, shape, kind, buffer
        if scale:
            result.quantization = schema.QuantizationParametersT()
            result.quantization.scale, result.quantization.zeroPoint = [scale], [0]
        return result

    def operator(model, code, inputs, outputs, kind=0, options=None):
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 2
        model.operatorCodes.append(entry)
        result = schema.OperatorT()
        result.opcodeIndex, result.inputs, result.outputs = len(model.operatorCodes) - 1, inputs, outputs
        result.builtinOptionsType, result.builtinOptions = kind, options
        return result

    def grow(model, graph, contents, side, declared):
        """A second output: the alpha enlarged to `side`, though the tensor's own shape says `declared`."""
        contents.append(np.int32([side, side]).tobytes())
        graph.tensors.append(tensor("side", [2], schema.TensorType.INT32, len(contents) - 1))
        graph.tensors.append(tensor("large", [1, declared, declared, 1], schema.TensorType.FLOAT32))
        count = len(graph.tensors)
        code, options = schema.BuiltinOperator.RESIZE_BILINEAR, schema.ResizeBilinearOptionsT()
        kind = schema.BuiltinOptions.ResizeBilinearOptions
        graph.operators.append(operator(model, code, [1, count - 2], [count - 1], kind, options))

    def make(contract, name="tiny.tflite", metadata=None, quantized=False, float_input=False, enlarged=None):
        height, width = contract.size
        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version, model.operatorCodes, model.subgraphs = 3, [], [graph]
        contents = [b"", np.int32([3]).tobytes(), np.float32([1 / 255]).tobytes()]
        embedded = contract.to_json() if metadata is None else metadata
        if embedded:
            entry = schema.MetadataT()
            entry.name, entry.buffer = METADATA_KEY, len(contents)
            model.metadata = [entry]
            contents.append(embedded.encode())
        types, options = schema.TensorType, schema.ReducerOptionsT()
        options.keepDims = True
        reducing = schema.BuiltinOptions.ReducerOptions
        codes = schema.BuiltinOperator
        picture, alpha = [1, height, width, 3], [1, height, width, 1]
        axis = tensor("axis", [1], types.INT32, 1)
        if quantized:
            graph.tensors = [
                tensor("image", picture, types.UINT8, scale=1 / 255),
                tensor("alpha", alpha, types.UINT8, scale=1 / 255),
                axis,
            ]
            graph.operators = [operator(model, codes.MEAN, [0, 2], [1], reducing, options)]
        else:
            graph.tensors = [
                tensor("image", picture, types.FLOAT32 if float_input else types.UINT8),
                tensor("alpha", alpha, types.FLOAT32),
                axis,
                tensor("float", picture, types.FLOAT32),
                tensor("mean", alpha, types.FLOAT32),
                tensor("scale", [1], types.FLOAT32, 2),
            ]
            first = 0 if float_input else 3
            graph.operators = [] if float_input else [operator(model, codes.CAST, [0], [3])]
            graph.operators += [
                operator(model, codes.MEAN, [first, 2], [4], reducing, options),
                operator(model, codes.MUL, [4, 5], [1], schema.BuiltinOptions.MulOptions, schema.MulOptionsT()),
            ]
        graph.inputs, graph.outputs = [0], [1]
        if enlarged:
            grow(model, graph, contents, *enlarged)
        model.buffers = []
        for content in contents:
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = list(content) or None
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = tmp_path / name
        path.write_bytes(bytes(builder.Output()))
        return path

    return make
