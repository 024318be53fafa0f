"""Small networks, fitted for seconds on easy pictures so that their masks mean something, and their bundles."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil

import numpy as np
import onnx
import pytest
import torch

from portraitnet.export import onnx_export, tflite_export
from portraitnet.export.bundle import export_bundle
from portraitnet.export.calibration import Pictures
from portraitnet.export.conversions import settings_of
from portraitnet.export.formats import DEFAULT_PRECISIONS, PRECISIONS
from portraitnet.train.engine.checkpoint import Checkpoint
from portraitnet.train.models import Normalize, PortraitNetSpec, build_model

SIZE = (64, 64)
ENCODER = "mobilenetv2_035"
RECIPE = {
    "name": "toy",
    "about": "as in /home/someone/notes.txt",
    "data": {"root": "/home/someone/data", "cache": "~/someone/cache", "train": [{"kind": "folder", "holdout": 0.5}]},
    "model": {"encoder_weights": "C:\\Users\\someone\\movenet.safetensors"},
    "run": {"start_from": "../someone/before.safetensors"},
    "loss": {"teachers": ["/home/someone/large.safetensors"]},
}


def easy_picture(seed, size=SIZE, classes=2):
    """Blobs of one colour per class on a noisy ground: uint8 H x W x 3 and uint8 labels H x W."""
    random = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[:height, :width] / np.array([[[height]], [[width]]])
    image = random.integers(60, 120, (1, 1, 3)) + random.normal(0, 12, (height, width, 3))
    mask = np.zeros(size, np.uint8)
    colours = np.array([[230, 150, 60], [40, 90, 230]])
    for label in range(1, classes):
        centre, radius = random.uniform(0.3, 0.7, 2), random.uniform(0.2, 0.35)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        mask[inside] = label
        image[inside] = colours[label - 1] + random.normal(0, 12, (int(inside.sum()), 3))
    return image.clip(0, 255).astype(np.uint8), mask


def fit(spec, size, steps=140, batch=4):
    torch.manual_seed(0)
    model, normalize = build_model(spec), Normalize()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.3  # statistics must be settled after so few steps
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        pairs = [easy_picture(step * batch + k, size, len(spec.classes)) for k in range(batch)]
        images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2).float()
        truths = torch.from_numpy(np.stack([mask for _, mask in pairs])).long()
        loss = torch.nn.functional.cross_entropy(model(normalize(images)).mask, truths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return Checkpoint("toy", model.eval(), spec, size, {"recipe": RECIPE, "step": steps, "scores": {"val": 0.9}})


def easy_pictures(size=SIZE, classes=2, count=24):
    pairs = [easy_picture(10_000 + k, size, classes) for k in range(count)]
    half = count // 2
    return Pictures(
        [image for image, _ in pairs[:half]],
        [image for image, _ in pairs[half:]],
        [mask for _, mask in pairs[half:]],
        "easy pictures",
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks so small gain nothing from a second thread, and waiting for it costs forty times its work."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", name="easy_picture")
def give_easy_picture():
    return easy_picture


def contents_of(graph):
    """A digest of a network's structure, its modules' settings and its weights."""
    digest = hashlib.sha256(repr((graph, settings_of(graph.eval()))).encode())
    for name, tensor in graph.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="session", autouse=True)
def converted():
    """What the converters of ONNX and TFLite made so far: each network goes through each of them once in all tests."""
    known = {}

    def once(convert, key, *arguments):
        if key not in known:
            known[key] = convert(*arguments)
        return known[key]

    to_onnx, to_tflite = onnx_export._convert, tflite_export._convert

    def onnx_once(graph, size):
        key = ("onnx", contents_of(graph), size)
        return onnx.load_from_string(once(lambda: to_onnx(graph, size).SerializeToString(), key))

    def tflite_once(graph, size):
        return once(to_tflite, ("tflite", contents_of(graph), size), graph, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "_convert", onnx_once)
        patch.setattr(tflite_export, "_convert", tflite_once)
        yield known


@pytest.fixture(scope="session")
def checkpoint():
    """As what ships: its options, and weights that float16 holds."""
    fitted = fit(PortraitNetSpec(encoder=ENCODER, open_border=True, padding="tensorflow"), SIZE)
    weights = fitted.model.state_dict()
    fitted.model.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in weights.items()})
    return fitted


@pytest.fixture(scope="session")
def pictures():
    return easy_pictures()


@pytest.fixture(scope="session")
def whole_bundle(checkpoint, pictures, tmp_path_factory):
    """A bundle of every format at every precision, and its contract."""
    out = tmp_path_factory.mktemp("whole") / "toy"
    formats = ["onnx", "coreml", "tflite", "mediapipe"]
    return out, export_bundle(checkpoint, out, formats, list(PRECISIONS), calibration=pictures)


def part_of(bundle, formats, precisions, out):
    """The bundle that an export of these formats and precisions alone would have given, and its contract."""
    kept = [a for a in bundle[1].artefacts if a.format in formats and a.precision in precisions]
    out.mkdir()
    for artefact in kept:
        path = bundle[0] / artefact.file
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, out / artefact.file)
    contract = dataclasses.replace(bundle[1], artefacts=tuple(kept))
    contract.write(out)
    return out, contract


@pytest.fixture(scope="session")
def bundle(whole_bundle, tmp_path_factory):
    """A bundle of the usual formats and precisions, and its contract."""
    out = tmp_path_factory.mktemp("export") / "toy"
    return part_of(whole_bundle, ("onnx", "coreml", "tflite"), DEFAULT_PRECISIONS, out)


@pytest.fixture(scope="session")
def narrow_bundle(whole_bundle, tmp_path_factory):
    """A bundle of every precision of int8 weights but int8 itself, MediaPipe's files among them, and its contract."""
    out = tmp_path_factory.mktemp("narrow") / "toy"
    return part_of(whole_bundle, ("onnx", "tflite", "mediapipe"), ("w8a32", "w8a16", "int8-mixed"), out)


@pytest.fixture(scope="session")
def parsing_bundle(tmp_path_factory):
    """Three classes at a size that is not square."""
    size, classes = (64, 96), ("background", "hair", "skin")
    checkpoint = fit(PortraitNetSpec(encoder=ENCODER, classes=classes), size, steps=150)
    out = tmp_path_factory.mktemp("parsing") / "toy"
    pictures = easy_pictures(size, 3)
    return out, export_bundle(checkpoint, out, precisions=["int8"], calibration=pictures), checkpoint
