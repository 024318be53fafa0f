"""Training with int8's rounding, judged by the file that Google's converter and quantizer write."""

import copy
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn

from portraitnet.export import flatbuffer
from portraitnet.export.graph import DeployedGraph
from portraitnet.export.tflite_export import export_tflite, quantized
from portraitnet.runtime.backends import open_backend
from portraitnet.runtime.metrics import iou
from portraitnet.train.engine.checkpoint import Checkpoint
from portraitnet.train.engine.quantization import FakeQuantization
from portraitnet.train.models import Normalize, build_model
from portraitnet.train.predict import TorchBackend
from portraitnet.train.pretrained.mediapipe import SPEC


def hard_to_quantize(model):
    """The same function with one channel of each activation a hundred times the others: their steps become coarse."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for block in model.blocks:
            layers = list(block.body)
            for norm, activation, following in zip(layers, layers[1:], layers[2:], strict=False):
                if isinstance(norm, nn.BatchNorm2d) and isinstance(activation, nn.ReLU):
                    norm.weight[0] *= 100
                    norm.bias[0] *= 100
                    (following.weight[:, 0] if following.groups == 1 else following.weight[0]).div_(100)
    return model


def trained_further(model, easy_picture, quantized, steps=40):
    model, normalize = copy.deepcopy(model).train(), Normalize()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    fake = FakeQuantization(model)
    for step in range(steps):
        pairs = [easy_picture(5000 + step * 4 + k) for k in range(4)]
        images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2).float()
        truths = torch.from_numpy(np.stack([mask for _, mask in pairs])).long()
        with fake.applied() if quantized else nullcontext():
            loss = nn.functional.cross_entropy(model(normalize(images)).mask, truths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def int8_file(graph, model, checkpoint, pictures, path):
    """IoU of the int8 file's masks with those of its network, and with the truth."""
    reference = TorchBackend.of(Checkpoint("toy", model, checkpoint.spec, checkpoint.size, {}))
    export_tflite(graph, reference.contract, path, "int8", pictures.calibrate)
    batch, truths = np.stack(pictures.held_out), np.stack(pictures.truths)[..., None] > 0
    found, expected = open_backend(path).run(batch) > 0.5, reference.run(batch) > 0.5
    return float(iou(found, expected)), float(iou(found, truths))


def test_its_int8_file_agrees_better_than_before_and_scores_better_than_without(
    checkpoint, pictures, easy_picture, tmp_path
):
    start = hard_to_quantize(checkpoint.model)
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(start(x).mask, checkpoint.model(x).mask, atol=1e-3, rtol=1e-3)
    models = [start, *(trained_further(start, easy_picture, quantized) for quantized in (False, True))]
    graphs = [DeployedGraph(model) for model in models]  # together, so that the converter is needed once
    before, plain, aware = (
        int8_file(graph, model, checkpoint, pictures, tmp_path / f"{number}.tflite")
        for number, (graph, model) in enumerate(zip(graphs, models, strict=True))
    )
    assert before[0] < 0.97  # which the gate would refuse
    assert aware[0] > before[0] + 0.01
    assert aware[1] > plain[1] > before[1]


def test_the_activations_of_training_are_those_of_the_file_in_its_order(pictures):
    model = build_model(SPEC).eval()
    file, _ = quantized(DeployedGraph(model), (64, 64), "int8", pictures.calibrate)
    shapes, fake = {}, FakeQuantization(model)
    rounding = fake.round
    fake.round = lambda values, row: (shapes.setdefault(row, values.shape[1:]), rounding(values, row))[1]
    with fake.applied():
        model(Normalize()(torch.from_numpy(np.stack(pictures.calibrate[:4])).permute(0, 3, 1, 2).float()))
    graph = file.subgraphs[0]
    # The ends are bytes, a resized map keeps its input's steps, and logits and alpha have ranges of their own.
    stored = [op for op in graph.operators[1:-3] if flatbuffer.operator_name(file, op) != "RESIZE_BILINEAR"]
    sides = [graph.tensors[op.outputs[0]].shape[1:] for op in stored]
    assert sorted(shapes) == list(range(len(stored)))
    assert [tuple(shapes[row]) for row in sorted(shapes)] == [(channels, tall, wide) for tall, wide, channels in sides]
    assert len(stored) > 100
