"""Every recipe for a public set trains a step, as it stands, on a small tree in that set's layout."""

import csv

import numpy as np
import pytest

from portraitnet.train.engine.checkpoint import load_checkpoint
from portraitnet.train.loop import train
from portraitnet.train.recipe import load_recipe, shipped_recipes

from .layouts import WRITERS, mask, picture

SMALL = [
    "model.encoder_weights=none",
    "data.size=[64, 64]",
    "data.workers=0",
    "run.precision=32-true",
    "run.steps=1",
    "run.batch=2",
    "run.evaluate_every=1",
    "run.checkpoint_every=1",
]


def eg1800(root):
    for part, numbers in (("train", (1, 2)), ("test", (3,))):
        for number in numbers:
            picture(root / "Images" / f"{number:05d}.png", shade=number)
            mask(root / "Labels" / f"{number:05d}.png", 1, 1, 0)
        (root / f"eg1800_{part}.txt").write_text("".join(f"{number:05d}.png\n" for number in numbers))
    return root


LAYOUTS = {**WRITERS, "eg1800_portraitnet": eg1800}
PUBLIC = [name for name in shipped_recipes() if load_recipe(name).data.train[0].kind in LAYOUTS]


def test_no_recipe_for_another_set_is_left_out():
    others = [load_recipe(name) for name in shipped_recipes() if name not in PUBLIC]
    kinds = {spec.kind for recipe in others for spec in recipe.data.train}
    assert kinds == {"synthetic", "synthetic_mattes", "folder", "alpha_folder", "voc_person", "voc"}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_recipe_trains_as_it_stands(name, tmp_path):
    kind = load_recipe(name).data.train[0].kind
    LAYOUTS[kind](tmp_path / "data")
    if kind in ("supervise_portrait", "aisegment", "celebamask"):  # so few that none may be held out by hash
        overrides = [f"data.train=[{{kind: {kind}, split: all}}]", f"data.validate=[{{kind: {kind}, split: all}}]"]
    else:
        overrides = []
    recipe = load_recipe(name, [f"data.root={tmp_path / 'data'}", *SMALL, *overrides])
    checkpoint = load_checkpoint(train(recipe, tmp_path / "run", accelerator="cpu"))
    assert checkpoint.spec.classes == recipe.model.classes
    (row,) = csv.DictReader((tmp_path / "run" / "steps.csv").open())
    assert np.isfinite(float(row["loss"]))
    assert float(row["loss"]) > 0
    metric = "fg_iou_per_image" if len(recipe.model.classes) == 2 else "miou"
    assert any(key.endswith(f"/{metric}") for key in checkpoint.facts["scores"])
