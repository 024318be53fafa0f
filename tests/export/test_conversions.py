"""A converter's work is done once: for all precisions of a network, and for its copies with rounded weights."""

import copy
import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from portraitnet.export import flatbuffer, onnx_export, tflite_export
from portraitnet.export.conversions import Conversions, same_structure
from portraitnet.export.graph import DeployedGraph
from portraitnet.export.rounding import round_weights
from portraitnet.runtime.backends import open_backend
from portraitnet.train.predict import TorchBackend

EXPORTERS = {"onnx": onnx_export, "tflite": tflite_export}
SIZE = (64, 64)


def with_other_weights(network):
    """A copy that answers otherwise."""
    other = copy.deepcopy(network)
    with torch.no_grad():
        for number, weights in enumerate(other.parameters()):
            weights.mul_(1 + 0.05 * np.sin(number))
    return other


@pytest.mark.parametrize("kind", EXPORTERS)
def test_a_copy_with_other_weights_computes_with_them_and_needs_no_converter(
    kind, checkpoint, pictures, tmp_path, monkeypatch
):
    exporter = EXPORTERS[kind]
    export = getattr(exporter, f"export_{kind}")
    other = dataclasses.replace(checkpoint, model=with_other_weights(checkpoint.model))
    batch, scores = np.stack(pictures.held_out[:3]), []
    graphs = [DeployedGraph(one.model) for one in (checkpoint, other)]
    for number, (one, graph) in enumerate(zip((checkpoint, other), graphs, strict=True)):
        if number:
            monkeypatch.setattr(exporter, "_convert", lambda graph, size: pytest.fail("converted again"))
        reference = TorchBackend.of(one)
        export(graph, reference.contract, tmp_path / f"{number}.{kind}", "fp32")
        scores.append(open_backend(tmp_path / f"{number}.{kind}").run(batch))
        np.testing.assert_allclose(scores[-1], reference.run(batch), atol=1e-4)
    assert np.abs(scores[1] - scores[0]).max() > 0.05


def test_rounded_copies_are_twins_of_their_network(checkpoint, pictures):
    """So a bundle of all precisions takes one conversion of each format."""
    graph = DeployedGraph(with_other_weights(checkpoint.model))
    for rounding in ("fp16", "int8"):
        rounded = copy.deepcopy(graph)
        round_weights(rounded, pictures.calibrate[:2], rounding)
        assert same_structure(graph, rounded)
        changed = [not torch.equal(a, b) for a, b in zip(graph.parameters(), rounded.parameters(), strict=True)]
        assert sum(changed) > 0.9 * len(changed)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_bias_that_is_no_longer_zero_joins_its_convolution(value):
    graph = nn.Conv2d(3, 4, 3, padding=1)
    nn.init.zeros_(graph.bias)
    other = copy.deepcopy(graph)
    nn.init.constant_(other.bias, value)
    content = onnx_export._converted(graph, SIZE)
    old, new = (onnx_export._converted.prepare(each).state_dict() for each in (graph, other))
    model = onnx_export._with_weights(content, old, new)
    pictures = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)
    [scores] = onnxruntime.InferenceSession(model).run(None, {"image": pictures})
    expected = onnx_export.ChannelsLast(other)(torch.from_numpy(pictures)).detach().numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_every_precision_and_size_asks_the_converter_once():
    asked = []
    known = Conversions(lambda graph, size: asked.append(size) or b"file", lambda *_: None, lambda graph: graph)
    network = nn.Conv2d(3, 4, 3)
    assert known(network, SIZE) == known(network, SIZE) == b"file"
    known(network, (32, 64))
    known(copy.deepcopy(network), SIZE)  # in whose file the weights were not found
    assert asked == [SIZE, (32, 64), SIZE]


def test_only_networks_that_differ_in_weights_alone_are_twins():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network.register_buffer("mean", torch.ones(3), persistent=False)
    network.table = torch.arange(3)
    assert same_structure(network, with_other_weights(network))
    for changed in (
        lambda one: setattr(one[0], "stride", (2, 2)),
        lambda one: setattr(one, "factor", 0.5),
        lambda one: one.mean.add_(1),
        lambda one: setattr(one, "table", torch.arange(4)),
        lambda one: one.append(nn.ReLU()),
    ):
        other = copy.deepcopy(network)
        changed(other)
        assert not same_structure(network, other)


def test_weights_that_a_file_does_not_hold_each_in_its_own_place_are_not_replaced(checkpoint):
    graph = DeployedGraph(checkpoint.model)
    of_onnx, of_tflite = onnx_export._converted(graph, SIZE), tflite_export._converted(graph, SIZE)
    weights = dict(tflite_export._converted.prepare(graph).eval().state_dict())
    name = max(weights, key=lambda key: weights[key].numel())
    double = {key: 2 * value for key, value in weights.items()}
    assert flatbuffer.with_weights(of_tflite, weights, double) is not None
    absent = weights | {name: weights[name] + 1}
    assert flatbuffer.with_weights(of_tflite, absent, double) is None
    shared = weights | {"again": weights[name]}
    assert flatbuffer.with_weights(of_tflite, shared, double | {"again": weights[name]}) is None
    assert flatbuffer.with_weights(of_tflite, shared, double | {"again": double[name]}) is None

    stored = {tensor.name for tensor in onnx.load_from_string(of_onnx).graph.initializer}
    named = dict(onnx_export._converted.prepare(graph).eval().state_dict())
    assert {key for key, value in named.items() if value.any()} <= stored
    assert onnx_export._with_weights(of_onnx, named, named) is not None
    assert onnx_export._with_weights(of_onnx, {key: 2 * value for key, value in named.items()}, named) is None
    twice = onnx.load_from_string(of_onnx)
    twice.graph.node.add(op_type="Identity", input=[next(iter(stored & named.keys()))], output=["again"])
    assert onnx_export._with_weights(twice.SerializeToString(), named, named) is None
    elsewhere = {"elsewhere": torch.ones(1)}
    assert onnx_export._with_weights(of_onnx, elsewhere, elsewhere) is None
