"""Training on true alpha: the batch holds it where `augment` puts the picture, and a loss draws to it."""

import csv
import dataclasses
import pickle

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
from portraitnet.train.datasets import SoftMasks, open_source, synthetic
from portraitnet.train.loop import train
from portraitnet.train.losses import composition_loss, matte_loss, soft_label_loss
from portraitnet.train.synthetic.matte import Matte

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


def test_soft_labels_weigh_every_pixel_of_the_pictures_that_have_them():
    rng = np.random.default_rng(0)
    truth, guess = rng.uniform(0.1, 0.9, (2, 2, 6, 7)).astype(np.float32)
    matte, soft = torch.from_numpy(np.rint(255 * truth).astype(np.uint8)), torch.tensor([False, True])
    logits = logits_of(guess).requires_grad_()
    told, given = np.rint(255 * truth[1]) / 255, guess[1]
    expected = -(told * np.log(given) + (1 - told) * np.log(1 - given)).mean()
    loss = soft_label_loss(logits, matte, soft)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    loss.backward()
    assert not logits.grad[0].any()
    assert torch.allclose(logits.grad[1, 1], torch.from_numpy(given - told).float() / told.size, atol=1e-6)
    three = torch.cat([logits.detach(), torch.full((2, 1, 6, 7), -50.0)], 1)  # a third class that nobody has
    assert soft_label_loss(three, matte, soft).item() == pytest.approx(expected, rel=1e-4)
    assert soft_label_loss(logits, matte, torch.tensor([False, False])).item() == 0


@pytest.mark.parametrize("name", ["matte", "soft_labels"])
def test_a_run_shows_the_loss(alpha_set, tmp_path, name):
    recipe = recipe_of(alpha_set, tmp_path)
    recipe = dataclasses.replace(recipe, loss=dataclasses.replace(recipe.loss, **{"matte": 0.0, name: 1.0}))
    train(recipe, tmp_path / "run", accelerator="cpu", loggers=[])
    with (tmp_path / "run" / "steps.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert all(float(row[name]) > 0 for row in rows)
    assert {"matte", "soft_labels"} & set(rows[0]) == {name}


@pytest.mark.parametrize("name", ["matte", "soft_labels"])
def test_a_loss_without_alpha_is_refused(folder_set, tmp_path, name):
    recipe = small_recipe(folder_set, loss={"consistency": 0, name: 1.0})
    with pytest.raises(InputError, match=rf"loss\.{name} is set, but no set of data\.train knows alpha"):
        train(recipe, tmp_path / "run", accelerator="cpu", loggers=[])


def composed(share, person, behind):
    return share[..., None] * person + (1 - share[..., None]) * behind


def test_the_composition_loss_is_the_distance_of_two_compositions():
    rng = np.random.default_rng(0)
    truth = np.tile(np.clip(np.linspace(-1, 2, 24), 0, 1), (2, 24, 1))
    matte = np.rint(255 * truth).astype(np.uint8)
    predicted = rng.uniform(0.05, 0.95, truth.shape).astype(np.float32)
    behind = rng.uniform(0, 100, (*truth.shape, 3))
    contrast = rng.integers(0, 120, truth.shape).astype(np.uint8)
    person = behind + contrast[..., None] * np.array([0.5, 1.0, 1.5])  # on average as far away as the contrast
    found = composition_loss(*(torch.from_numpy(part) for part in (logits_of(predicted).numpy(), matte, contrast)))
    distance = np.abs(composed(predicted, person, behind) - composed(matte / 255, person, behind)).mean(-1) / 255
    band = np.zeros(truth.shape, bool)
    soft = np.flatnonzero((matte[0, 0] > 0) & (matte[0, 0] < 255))
    band[:, :, soft[0] - 4 : soft[-1] + 5] = True
    assert found.item() == pytest.approx(distance[band].mean(), rel=1e-4)


def test_the_composition_loss_has_a_gradient_in_the_edge_band_alone_and_none_where_both_colours_are_one():
    logits = torch.zeros((2, 2, 16, 16), requires_grad=True)
    matte = torch.zeros((2, 16, 16), dtype=torch.uint8)
    matte[:, :, 8:] = 255
    contrast = torch.full((2, 16, 16), 90, dtype=torch.uint8)
    contrast[0, 5] = 0  # person and background of one colour
    contrast[1] = 0  # unknown throughout
    loss = composition_loss(logits, matte, contrast)
    assert loss.item() == pytest.approx(0.5 * 90 / 255 * 15 / 16)
    loss.backward()
    where = logits.grad[:, 1].abs() > 0
    expected = torch.zeros_like(where)
    expected[0, :, 4:12] = True
    expected[0, 5] = False
    assert torch.equal(where, expected)
    logits.grad = None
    nothing = composition_loss(logits, matte, 0 * contrast)  # no picture counts
    assert nothing.item() == 0
    (100 * nothing).backward()
    assert not logits.grad.any()


def rendered_recipe(alpha_set, **more):
    data = {
        "size": [SIDE, SIDE],
        "train": [{"kind": "synthetic_mattes", "limit": 2}],
        "augment": {"texture_probability": 0.0, "noise": 0},
        "workers": 0,
        **more,
    }
    loss = {"consistency": 0, "composition": 1.0}
    return small_recipe(alpha_set, data=data, loss=loss, run={"batch": 4, "steps": 2, "evaluate_every": 2})


def test_contrast_lies_where_the_picture_lies(alpha_set, monkeypatch):
    def halves(seed, size):
        """A red person on the left, before a background that is as far away as the picture is green."""
        ramp = np.tile(np.linspace(40, 200, size[1]), (size[0], 1)).astype(np.uint8)
        alpha = np.zeros(size, np.uint8)
        alpha[:, : size[1] // 2] = 255
        image = np.dstack([alpha, ramp, ramp])
        return Matte(image, alpha, image, image, ramp)

    monkeypatch.setattr(synthetic, "render_matte", halves)
    recipe = rendered_recipe(alpha_set)
    batches = batches_of(recipe, alpha_set.parent)
    batch = make_batch(batches[0], batches.target)
    inside = batch.contrast > 0
    assert inside.float().mean() > 0.2
    eroded = torch.from_numpy(
        np.stack([cv2.erode(one.numpy().astype(np.uint8), np.ones((7, 7))) for one in inside]) > 0
    )
    assert (batch.original[:, 1].float() - batch.contrast)[eroded].abs().max() <= 1
    assert (batch.original[:, 0].float() - batch.matte)[eroded].abs().max() <= 1
    resident = small_recipe(alpha_set, loss={"consistency": 0})
    assert make_batch(TrainingBatches(batches.sources, batches.caches, resident)[0], batches.target).contrast is None


def test_a_pasted_picture_is_composed_by_the_alpha_and_contrast_of_its_batch(alpha_set):
    """Every background is one colour here, so the picture's distance from it is alpha times contrast."""
    recipe = small_recipe(
        alpha_set,
        data={
            "size": [SIDE, SIDE],
            "augment": {"cut_and_paste": 0.6, "flip": 0.0, "rotation": 0, "translation": 0},
            "workers": 0,
        },
        loss={"consistency": 0, "composition": 1.0},
    )
    for folder in ("images", "masks"):
        for path in (alpha_set / folder).iterdir():
            stored = np.array(Image.open(path))
            dark = stored < 128
            stored[dark] = 0 if folder == "masks" else 30
            Image.fromarray(stored).save(path)
    sources = [open_source(spec, alpha_set.parent, recipe.data.size) for spec in recipe.data.train]
    with Progress(disable=True) as bar:
        caches = open_caches(sources, recipe.data, bar)
    batches = TrainingBatches(sources, caches, recipe)
    seen = 0
    for step in range(4):
        raw = batches[step]
        batch = make_batch(raw, batches.target)
        known = batch.contrast.flatten(1).any(1)
        assert not known[[i for i in range(len(known)) if i not in raw.canvases.paste_into]].any()
        for picture in torch.nonzero(known)[:, 0]:
            inside = batch.contrast[picture] > 0
            distance = (batch.original[picture].float() - 30).abs().mean(0)
            expected = batch.matte[picture] / 255 * batch.contrast[picture]
            assert (distance - expected)[inside].abs().max() <= 1.5
            assert ((batch.matte[picture] > 20) & (batch.matte[picture] < 235) & inside).any()
            seen += 1
        resident = make_batch(ResidentBatches(batches, torch.device("cpu"))[step], batches.target)
        assert torch.equal(batch.contrast, resident.contrast)
        assert torch.equal(batch.matte, resident.matte)
    assert seen


def test_the_loss_is_refused_where_no_colours_are_known(alpha_set, tmp_path):
    recipe = small_recipe(alpha_set, loss={"consistency": 0, "composition": 1.0})
    with pytest.raises(InputError, match=r"^loss\.composition is set, but no set of data\.train knows the colours.*$"):
        train(recipe, tmp_path / "run", accelerator="cpu", loggers=[])
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"loss\.composition is of the foreground, but label 0 is 'skin'"):
        small_recipe(
            alpha_set, model={"classes": ["skin", "hair", "hat"], "edge_head": False}, loss={"composition": 1.0}
        )


def test_a_run_on_rendered_mattes_shows_the_loss_with_a_loader_process(alpha_set, tmp_path):
    recipe = rendered_recipe(alpha_set, workers=1)
    train(recipe, tmp_path / "run", accelerator="cpu", loggers=[])
    with (tmp_path / "run" / "steps.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert all(float(row["composition"]) > 0 for row in rows)
    assert "matte" not in rows[0]


def test_a_small_set_of_rendered_mattes_is_rendered_once(monkeypatch):
    rendered = []
    whole = synthetic.render_matte
    monkeypatch.setattr(synthetic, "render_matte", lambda seed, size: rendered.append(seed) or whole(seed, size))
    source = synthetic.SyntheticMattes((32, 32), limit=2)
    for _ in range(2):
        for index in range(2):
            source.on_canvas(index, (48, 48))
            source.contrast_on_canvas(index, (48, 48))
    assert rendered == [0, 1]
    assert pickle.loads(pickle.dumps(source)).count == 2
