"""MediaPipe's graph is not at hand in a test: its operators are written here one by one, from random weights."""

import flatbuffers
import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch.nn import functional

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.checkpoint import load_checkpoint
from portraitnet.train.models import ModelSpec, Normalize, SelfieTransformerSpec, build_model, check_size
from portraitnet.train.models.selfie_transformer import SelfieTransformer, _joined, _patches
from portraitnet.train.parse import parse
from portraitnet.train.pretrained import mediapipe
from portraitnet.train.pretrained.batch_norm import restore_statistics
from portraitnet.train.pretrained.mediapipe_graph import Graph, read_graph
from portraitnet.train.pretrained.mediapipe_multiclass import CLASSES, network_of, with_person_head


class Published:
    """The published graph, run operator by operator on pictures of -1..1; writes down the weights it draws."""

    def __init__(self, pictures):
        self.filters, self.scalings, self.random = [], [], torch.Generator().manual_seed(3)
        self.scores = self._run(pictures)

    def _normal(self, *shape, scale=1.0):
        return torch.randn(*shape, generator=self.random) * scale

    def _conv(self, x, channels, kernel=1, stride=1, depthwise=False, bias=True, relu=False):
        """Padded as TensorFlow does: at the end first."""
        inputs = 1 if depthwise else x.shape[1]
        weight, groups = self._normal(channels, inputs, kernel, kernel), channels if depthwise else 1
        offset = self._normal(channels, scale=0.1 if bias else 0.0)
        padding = kernel - stride if kernel > 1 else 0
        x = functional.pad(x, (padding // 2, padding - padding // 2) * 2)
        weight /= functional.conv2d(x, weight, None, stride, groups=groups).std()
        self.filters.append((weight, offset))
        x = functional.conv2d(x, weight, offset, stride, groups=groups)
        return x.relu() if relu else x

    def _bottleneck(self, x, channels, stride=1):
        hidden = 6 * x.shape[1]
        y = self._conv(x, hidden, relu=True)
        y = self._conv(y, hidden, 3, stride, depthwise=True, relu=True)
        y = self._conv(y, channels)
        return x + y if x.shape == y.shape else y

    def _lateral(self, x):
        return self._conv(self._conv(x, x.shape[1], depthwise=True), 64)

    def _attend(self, x, width, layers):
        channels, (height, columns) = x.shape[1], x.shape[2:]
        y = self._conv(self._conv(x, width, 3, relu=True), width, relu=True)
        # A row for each place in a patch of 4x4, a column for each patch.
        y = functional.unfold(y, 4, stride=4).unflatten(1, (width, 16))
        for _ in range(layers):
            factor, offset = 1 + self._normal(width, scale=0.1), self._normal(width, scale=0.1)
            self.scalings.append((factor, offset))
            scaled = y * factor.view(-1, 1, 1) + offset.view(-1, 1, 1)
            forward = self._conv(self._conv(scaled, 2 * width), width)
            weights = self._conv(scaled, 1).softmax(3)
            context = (self._conv(scaled, width) * weights).sum(3, keepdim=True)
            y = y + self._conv(self._conv(scaled, width, relu=True) * context, width) + forward
        return self._conv(functional.fold(y.flatten(1, 2), (height, columns), 4, stride=4), channels)

    def _run(self, x):
        x = self._conv(x, 16, 3, 2, relu=True)
        laterals = [self._lateral(x)]
        x = self._bottleneck(self._bottleneck(self._bottleneck(x, 64), 128, 2), 128)
        laterals.append(self._lateral(x))
        x = self._attend(self._bottleneck(x, 256, 2), 128, 2)
        laterals.append(self._lateral(x))
        x = self._attend(self._bottleneck(x, 384, 2), 192, 4)
        laterals.append(self._lateral(x))
        total, deeper = 0, 0
        for level, lateral in reversed(list(enumerate(laterals))):
            deeper = lateral + (functional.interpolate(deeper, scale_factor=2) if level < 3 else 0)
            shown = self._conv(self._conv(deeper, 64, 3, depthwise=True, bias=False), 64)
            total = total + functional.interpolate(shown, laterals[0].shape[2:], mode="bilinear")
        for _ in range(5):
            total = self._conv(self._conv(total, total.shape[1], 3, depthwise=True, relu=True), 32, relu=True)
        weight, bias = self._normal(32, 32, 2, 2, scale=0.2), self._normal(32, scale=0.1)
        self.filters.append((weight.transpose(0, 1), bias))
        return self._conv(functional.conv_transpose2d(total, weight, bias, 2), CLASSES)


@pytest.fixture(scope="module")
def published():
    rgb = torch.rand(2, 3, 128, 64, generator=torch.Generator().manual_seed(1)) * 255
    return rgb, Published(rgb / 127.5 - 1)


def _graph(published):
    return Graph(published.filters, published.scalings, (128, 64))


def test_the_published_operators_become_the_same_network(published):
    rgb, theirs = published
    network = network_of(_graph(theirs))
    with torch.no_grad():
        # Past the last row and column theirs sees grey, ours black, which is the only difference.
        network.encoder.conv_stem.black.fill_(0).add_(Normalize()(torch.full((1, 3, 1, 1), 127.5)))
        torch.testing.assert_close(network(Normalize()(rgb)).mask, theirs.scores, atol=2e-3, rtol=1e-3)


def test_the_persons_head_answers_as_the_six_classes_do():
    torch.manual_seed(0)
    six = SelfieTransformer(CLASSES).eval()
    with torch.no_grad():
        six.mask_head.weight[:, 2:] = six.mask_head.weight[:, 1:2]  # then the person's logit is linear
        six.mask_head.bias[2:] = six.mask_head.bias[1]
        batches = [torch.randn(2, 3, 64, 128) for _ in range(2)]
        restore_statistics(six, batches)
        two = with_person_head(six, batches)
        scores = six(batches[0]).mask
        expected = scores[:, 1:].logsumexp(1) - scores[:, 0]
        torch.testing.assert_close(two(batches[0]).mask[:, 1], expected, atol=0.02, rtol=0.01)
        assert not two(batches[0]).mask[:, 0].any()


def test_patches_and_back():
    maps = torch.arange(2 * 3 * 8 * 12.0).view(2, 3, 8, 12)
    patches = _patches(maps)
    expected = functional.unfold(maps, 4, stride=4).unflatten(1, (3, 16))
    assert torch.equal(patches, expected)
    assert torch.equal(_joined(patches, 8, 12), maps)


def _write(path, graph):
    """A .tflite of float32 weights whose operators come in the order of `Published`, scalings first."""
    model, main = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [main], [schema.BufferT()]
    main.tensors, main.operators, model.operatorCodes = [], [], []
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "MUL", "ADD")
    for name in kinds:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        model.operatorCodes.append(code)

    def tensor(values=None, shape=()):
        made, buffer = schema.TensorT(), schema.BufferT()
        made.shape = np.array(shape if values is None else values.shape, np.int32)
        if values is not None:
            buffer.data = np.frombuffer(values.contiguous().numpy().tobytes(), np.uint8)
        model.buffers.append(buffer)
        main.tensors.append(made)
        made.buffer = len(model.buffers) - 1
        return len(main.tensors) - 1

    last = tensor(shape=(1, *graph.size, 3))
    main.inputs = np.array([last], np.int32)

    def operator(name, *inputs):
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs = kinds.index(name), np.array(inputs, np.int32)
        op.outputs = np.array([tensor()], np.int32)
        main.operators.append(op)
        return int(op.outputs[0])

    for factor, offset in graph.scalings:
        last = operator("ADD", operator("MUL", last, tensor(factor)), tensor(offset))
    for number, (weight, bias) in enumerate(graph.filters):
        if number == len(graph.filters) - 2:
            sizes = tensor(torch.zeros(4))
            last = operator("TRANSPOSE_CONV", sizes, tensor(weight.permute(0, 2, 3, 1)), last, tensor(bias))
            continue
        depthwise = weight.shape[1] == 1
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        last = operator(name, last, tensor(weight.permute(order)), tensor(bias))
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def test_the_command_tells_the_graphs_apart_and_writes_a_checkpoint(published, tmp_path, monkeypatch, capsys):
    theirs = published[1]
    _write(tmp_path / "multiclass.tflite", _graph(theirs))
    read = read_graph(tmp_path / "multiclass.tflite")
    assert read.size == (128, 64)
    for found, expected in ((read.filters, theirs.filters), (read.scalings, theirs.scalings)):
        assert len(found) == len(expected)
        assert all(torch.equal(a, b) for pair in zip(found, expected, strict=True) for a, b in zip(*pair, strict=True))
    monkeypatch.setattr(mediapipe, "photographs", lambda folder, size: [torch.randn(2, 3, *size)])
    files = [str(tmp_path / name) for name in ("multiclass.tflite", "", "out.safetensors")]
    monkeypatch.setattr("sys.argv", ["mediapipe", *files])
    mediapipe.main()
    assert "run.start_from" in capsys.readouterr().out
    checkpoint = load_checkpoint(tmp_path / "out.safetensors")
    assert (checkpoint.spec.architecture, checkpoint.size) == ("selfie_transformer", (128, 64))
    assert checkpoint.spec.classes == ("background", "person")


def test_other_graphs_are_refused(published):
    graph = _graph(published[1])
    with pytest.raises(InputError, match="fewer convolutions"):
        network_of(graph._replace(filters=graph.filters[:20]))
    with pytest.raises(InputError, match="more convolutions"):
        network_of(graph._replace(filters=[*graph.filters, graph.filters[-1]]))
    with pytest.raises(InputError, match="not MediaPipe's"):
        network_of(graph._replace(filters=[graph.filters[0], *graph.filters[2:]]))
    with pytest.raises(InputError, match="has shape"):
        network_of(graph._replace(filters=graph.filters[1:]))
    with pytest.raises(InputError, match="more convolutions or scalings"):
        network_of(graph._replace(scalings=[*graph.scalings, graph.scalings[-1]]))
    with pytest.raises(InputError, match="fewer convolutions or scalings"):
        network_of(graph._replace(scalings=graph.scalings[:-1]))
    one = [(factor[:1], offset) for factor, offset in graph.scalings]
    with pytest.raises(InputError, match="does not fit"):
        network_of(graph._replace(scalings=one))
    filters = list(graph.filters)
    filters[3] = filters[3][0], filters[3][1][:1]
    with pytest.raises(InputError, match=r"\(1,\) biases"):
        network_of(graph._replace(filters=filters))


def test_a_graph_for_pictures_of_no_size_is_refused(published, tmp_path):
    graph = _graph(published[1])
    _write(tmp_path / "empty.tflite", graph._replace(size=(0, 256)))
    with pytest.raises(InputError, match="takes pictures of 0x256"):
        read_graph(tmp_path / "empty.tflite")


def test_the_network_has_no_choices_and_wants_whole_patches():
    spec = SelfieTransformerSpec()
    assert sum(p.numel() for p in build_model(spec).parameters()) == 3_528_759
    check_size(spec, (192, 256))
    with pytest.raises(InputError, match="selfie_transformer needs multiples of 64"):
        check_size(spec, (224, 224))
    with pytest.raises(InputError, match="encoder: 'mobilenetv2_100' is none of mobilevitv2_selfie"):
        parse(ModelSpec, {"architecture": "selfie_transformer", "encoder": "mobilenetv2_100"})
