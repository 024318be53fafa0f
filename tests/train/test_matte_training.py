"""Training on true alpha: the batch holds it where `augment` puts the picture, and a loss draws to it."""

import csv

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from rich.progress import Progress

from portraitnet.runtime.errors import InputError
from portraitnet.train.data.augment import make_batch
from portraitnet.train.data.balance import absent_classes
from portraitnet.train.data.feed import ResidentBatches, TrainingBatches, open_caches
from portraitnet.train.datasets import SoftMasks, open_source
from portraitnet.train.loop import train
from portraitnet.train.losses import matte_loss

from .conftest import small_recipe

SIDE = 64


@pytest.fixture
def alpha_set(tmp_path):
    """Pictures whose red is their alpha: a ramp across."""
    root = tmp_path / "mattes"
    ramp = np.clip(np.linspace(-200, 455, 80), 0, 255)
    for name, turned in (("a", False), ("b", True), ("c", False)):
        alpha = np.tile(ramp[::-1] if turned else ramp, (60, 1)).astype(np.uint8)
        for folder, picture in (("images", np.dstack([alpha] * 3)), ("masks", alpha)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(root / folder / f"{name}.png")
    return root


def recipe_of(alpha_set, tmp_path, matte=1.0, **augment):
    plain = {"texture_probability": 0.0, "noise": 0, **augment}
    return small_recipe(
        alpha_set,
        data={
            "size": [SIDE, SIDE],
            "train": [{"kind": "alpha_folder", "path": alpha_set.name, "split": "all"}],
            "validate": [{"kind": "alpha_folder", "path": alpha_set.name, "split": "all"}],
            "cache": str(tmp_path / "cache"),
            "augment": plain,
            "workers": 0,
        },
        loss={"consistency": 0, "matte": matte},
        run={"batch": 4, "steps": 2, "evaluate_every": 2},
    )


def batches_of(recipe, root, soft=True):
    sources = [open_source(spec, root, recipe.data.size) for spec in recipe.data.train]
    sources = [SoftMasks(source) for source in sources] if soft else sources
    with Progress(disable=True) as bar:
        caches = open_caches(sources, recipe.data, bar)
    assert not absent_classes(sources, caches, ("background", "person"))
    return TrainingBatches(sources, caches, recipe)


def test_alpha_lies_where_the_picture_lies(alpha_set, tmp_path):
    batches = batches_of(recipe_of(alpha_set, tmp_path), alpha_set.parent)
    batch = make_batch(batches[0], batches.target)
    assert batch.soft.all()
    inside = (batch.original != 128).any(1).numpy().astype(np.uint8)  # not the letterbox's margin
    inside = torch.from_numpy(np.stack([cv2.erode(one, np.ones((7, 7))) for one in inside]) > 0)
    assert inside.float().mean() > 0.1
    assert (batch.original[:, 0].float() - batch.matte)[inside].abs().mean() < 0.5
    assert ((batch.matte > 160) <= (batch.labels == 1)).all()
    resident = make_batch(ResidentBatches(batches, torch.device("cpu"))[0], batches.target)
    assert torch.equal(batch.matte, resident.matte)


def test_pictures_and_labels_are_those_of_a_run_without_the_loss(alpha_set, tmp_path):
    root = alpha_set.parent
    hard = batches_of(recipe_of(alpha_set, tmp_path, matte=0.0), root, soft=False)
    soft = batches_of(recipe_of(alpha_set, tmp_path), root)
    first, second = (make_batch(batches[1], batches.target) for batches in (hard, soft))
    assert first.matte is None
    assert first.soft is None
    for name in ("augmented", "original", "labels", "edge"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_a_pasted_outline_does_not_count_as_true_alpha(alpha_set, tmp_path):
    batches = batches_of(recipe_of(alpha_set, tmp_path, cut_and_paste=0.5), alpha_set.parent)
    steps = [batches[step] for step in range(4)]
    assert any(len(raw.canvases.paste_into) for raw in steps)
    for raw in steps:
        soft = make_batch(raw, batches.target).soft
        assert not soft[raw.canvases.paste_into].any()
        assert soft.sum() == 4 - len(raw.canvases.paste_into)


def logits_of(alpha):
    share = torch.from_numpy(alpha).clamp(1e-6, 1 - 1e-6)
    return torch.stack([torch.zeros_like(share), torch.log(share / (1 - share))], 1)


def test_the_loss_by_hand():
    truth = np.zeros((2, 16, 16), np.float32)
    truth[:, :, 8:] = 1
    matte, soft = torch.from_numpy((255 * truth).astype(np.uint8)), torch.tensor([True, False])
    assert matte_loss(logits_of(truth), matte, soft).item() < 1e-4
    wrong = truth.copy()
    wrong[:, :, 3] = 0.5  # outside the band, which is columns 4 to 11
    assert matte_loss(logits_of(wrong), matte, soft).item() < 1e-4
    wrong = truth.copy()
    wrong[1, :, 7] = 0.5  # a picture without alpha
    assert matte_loss(logits_of(wrong), matte, soft).item() < 1e-4
    wrong[0, :, 4:12] = 1 - truth[0, :, 4:12]
    assert matte_loss(logits_of(wrong), matte, soft).item() > 1  # the L1 distance alone is 1


def test_only_pictures_with_alpha_have_a_gradient():
    logits = torch.zeros((2, 2, 16, 16), requires_grad=True)
    matte = torch.zeros((2, 16, 16), dtype=torch.uint8)
    matte[:, :, 8:] = 255
    matte_loss(logits, matte, torch.tensor([True, False])).backward()
    assert logits.grad[0].abs().sum() > 0
    assert not logits.grad[1].any()
    matte_loss(logits, matte, torch.tensor([False, False])).backward()  # none at all is no error


def test_a_run_shows_the_loss(alpha_set, tmp_path):
    recipe = recipe_of(alpha_set, tmp_path)
    train(recipe, tmp_path / "run", accelerator="cpu", loggers=[])
    with (tmp_path / "run" / "steps.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert all(float(row["matte"]) > 0 for row in rows)


def test_a_loss_without_alpha_is_refused(folder_set, tmp_path):
    recipe = small_recipe(folder_set, loss={"consistency": 0, "matte": 1.0})
    with pytest.raises(InputError, match=r"no set of data\.train knows true alpha"):
        train(recipe, tmp_path / "run", accelerator="cpu", loggers=[])
