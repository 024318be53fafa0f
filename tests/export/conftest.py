"""Small networks, fitted for seconds on easy pictures so that their masks mean something, and their bundles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portraitnet.export.bundle import export_bundle
from portraitnet.export.calibration import Pictures
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


@pytest.fixture(scope="session")
def checkpoint():
    return fit(PortraitNetSpec(encoder=ENCODER, open_border=True, padding="tensorflow"), SIZE)  # as what ships


@pytest.fixture(scope="session")
def pictures():
    return easy_pictures()


@pytest.fixture(scope="session")
def bundle(checkpoint, pictures, tmp_path_factory):
    """A bundle of every format at every precision, and its contract."""
    out = tmp_path_factory.mktemp("export") / "toy"
    return out, export_bundle(checkpoint, out, ["onnx", "coreml", "tflite"], calibration=pictures)


@pytest.fixture(scope="session")
def narrow_bundle(checkpoint, pictures, tmp_path_factory):
    """A bundle of every precision of int8 weights but int8 itself, MediaPipe's files among them, and its contract."""
    out = tmp_path_factory.mktemp("narrow") / "toy"
    precisions = ["w8a32", "w8a16", "int8-mixed"]
    return out, export_bundle(checkpoint, out, ["onnx", "tflite", "mediapipe"], precisions, calibration=pictures)


@pytest.fixture(scope="session")
def parsing_bundle(tmp_path_factory):
    """Three classes at a size that is not square."""
    size, classes = (64, 96), ("background", "hair", "skin")
    checkpoint = fit(PortraitNetSpec(encoder=ENCODER, classes=classes), size, steps=150)
    out = tmp_path_factory.mktemp("parsing") / "toy"
    pictures = easy_pictures(size, 3)
    return out, export_bundle(checkpoint, out, precisions=["int8"], calibration=pictures), checkpoint
