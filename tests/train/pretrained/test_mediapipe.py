"""MediaPipe's graph is not at hand in a test: one is written here as theirs is laid out, from a network of ours."""

import flatbuffers
import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.checkpoint import load_checkpoint
from portraitnet.train.models import ModelSpec, Normalize, SelfieSpec, build_model
from portraitnet.train.parse import parse
from portraitnet.train.pretrained import mediapipe
from portraitnet.train.pretrained.batch_norm import restore_statistics
from portraitnet.train.pretrained.mediapipe import SPEC, STEEPNESS, network_of
from portraitnet.train.pretrained.mediapipe_graph import read_graph

SIZE = (144, 256)


@pytest.fixture(scope="module")
def published():
    """A network without batch normalisation, which was folded into its biases, and its layers in order."""
    torch.manual_seed(0)
    network = build_model(SPEC).eval()
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    norms = iter([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    filters = []
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(layer.weight.half())
            if layer.bias is None:
                norm = next(norms)
                norm.weight.fill_((1 + norm.eps) ** 0.5)
                norm.bias.uniform_(-0.25, 0.25).copy_(norm.bias.half())
            bias = layer.bias if layer.bias is not None else norm.bias
            bias.copy_(bias.half())
            filters.append((layer, layer.weight.clone(), bias.clone()))
    return network, filters


def _write(path, filters):
    """A .tflite whose float16 weights pass a DEQUANTIZE each, as in MediaPipe's file."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    graph.tensors, graph.operators, model.operatorCodes = [], [], []
    for name in ("DEQUANTIZE", "CONV_2D", "DEPTHWISE_CONV_2D", "CUSTOM"):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.customCode = b"Convolution2DTransposeBias" if name == "CUSTOM" else None
        model.operatorCodes.append(code)

    def tensor(values=None):
        made = schema.TensorT()
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype(np.float16).tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.shape, made.buffer, made.type = np.array(values.shape, np.int32), len(model.buffers) - 1, 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(code, inputs):
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = code, np.array(inputs, np.int32), np.array([tensor()], np.int32)
        graph.operators.append(op)
        return op.outputs[0]

    last = tensor()
    graph.tensors[last].shape, graph.inputs = np.array([1, *SIZE, 3], np.int32), np.array([last], np.int32)
    for number, (layer, weight, bias) in enumerate(filters):
        if number == 0:  # theirs sees 0..1
            scale, mean = Normalize().deviation / 255, Normalize().mean / 255
            bias = bias - (weight / scale * mean).sum((1, 2, 3))
            weight = weight / scale
        transposed = isinstance(layer, nn.ConvTranspose2d)
        depthwise = not transposed and layer.groups > 1
        order = (1, 2, 3, 0) if transposed or depthwise else (0, 2, 3, 1)
        stored = [operator(0, [tensor(v.numpy())]) for v in (weight.permute(order), bias)]
        last = operator(3 if transposed else 2 if depthwise else 1, [last, *stored])
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def test_a_published_graph_becomes_the_same_network(published, tmp_path):
    network, filters = published
    _write(tmp_path / "selfie.tflite", filters)
    read = read_graph(tmp_path / "selfie.tflite")
    assert read.size == SIZE
    assert not read.scalings
    found = network_of(read.filters)
    pictures = torch.randn(4, 3, 64, 96)
    with torch.no_grad():
        expected = network(pictures).mask / STEEPNESS
        # The first layer's are rounded to half again.
        torch.testing.assert_close(found(pictures).mask, expected, atol=1e-3, rtol=1e-2)
        before = found(pictures).mask
        restore_statistics(found, pictures.split(2))
        torch.testing.assert_close(found(pictures).mask, before, atol=1e-4, rtol=1e-3)


def test_the_command_writes_a_checkpoint_that_opens(published, tmp_path, monkeypatch, capsys):
    _write(tmp_path / "selfie.tflite", published[1])
    monkeypatch.setattr(mediapipe, "photographs", lambda folder, size: [torch.randn(2, 3, *size)])
    monkeypatch.setattr(
        "sys.argv", ["mediapipe", *(str(tmp_path / n) for n in ("selfie.tflite", "", "out.safetensors"))]
    )
    mediapipe.main()
    assert "run.start_from" in capsys.readouterr().out
    checkpoint = load_checkpoint(tmp_path / "out.safetensors")
    assert checkpoint.spec.architecture == "selfie"
    assert checkpoint.size == SIZE


def test_another_file_is_refused(published, tmp_path):
    _, filters = published
    with pytest.raises(InputError, match="does not exist"):
        read_graph(tmp_path / "none.tflite")
    (tmp_path / "noise.tflite").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(InputError, match="is not MediaPipe's"):
        read_graph(tmp_path / "noise.tflite")
    _write(tmp_path / "short.tflite", filters[:5])
    with pytest.raises(InputError, match="5 convolutions"):
        network_of(read_graph(tmp_path / "short.tflite").filters)
    other = [(layer, torch.zeros(1, 2, 3, 4), bias) if n == 3 else (layer, weight, bias)
             for n, (layer, weight, bias) in enumerate(filters)]  # fmt: skip
    _write(tmp_path / "other.tflite", other)
    with pytest.raises(InputError, match="a convolution has shape"):
        network_of(read_graph(tmp_path / "other.tflite").filters)


def test_the_network_has_the_published_size_and_no_choices():
    assert sum(p.numel() for p in build_model(SPEC).parameters()) == 108_377
    three = build_model(SelfieSpec(classes=("a", "b", "c"))).eval()
    with torch.no_grad():
        assert three(torch.randn(1, 3, 64, 96)).mask.shape == (1, 3, 64, 96)
    with pytest.raises(InputError, match=r"model.encoder_weights is 'imagenet'.*run.start_from"):
        build_model(SelfieSpec(encoder_weights="imagenet"))
    with pytest.raises(InputError, match=r"padding is 'tensorflow', but selfie has no such option \(of portraitnet\)"):
        parse(ModelSpec, {"architecture": "selfie", "padding": "tensorflow"})
