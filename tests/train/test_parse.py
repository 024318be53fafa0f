"""Types and ranges of recipes, wherever a number stands in one."""

import dataclasses
import typing
from typing import Annotated, Literal

import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.train.parse import Range, parse
from portraitnet.train.recipe import (
    AugmentSpec,
    DataSpec,
    LossSpec,
    OptimizerSpec,
    RunSpec,
    SourceSpec,
    load_recipe,
    shipped_recipes,
    to_yaml,
)

SECTIONS = [SourceSpec, AugmentSpec, DataSpec, LossSpec, OptimizerSpec, RunSpec]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_of_a_recipe_has_a_range(section):
    """A key without one reaches torch or numpy, and ends in a traceback."""
    hints = typing.get_type_hints(section, include_extras=True)
    for name in (field.name for field in dataclasses.fields(section)):
        parts = [hints[name], *(part for part in typing.get_args(hints[name]) if part is not Ellipsis)]
        assert Annotated in map(typing.get_origin, parts) or not {int, float} & set(parts), name


@pytest.mark.parametrize(
    "override",
    [
        *(f"run.{key}={value}" for key in ("checkpoint_every", "log_every") for value in (0, -1, -2)),
        *(f"run.evaluate_every={value}" for value in (-1, -2)),  # 0 is after each epoch: test_epochs_become_steps
        *(f"run.{key}={value}" for key in ("steps", "batch") for value in (0, -1, -2)),
        "run.seed=-1",
        "run.ema_decay=1.5",
        "data.workers=-1",
        "data.size=[0, 64]",
        "data.size=[-32, 64]",
        "data.canvas=0.5",
        "optimizer.step_every=0",
        "optimizer.warmup_steps=-1",
        "optimizer.learning_rate=-1",
        "optimizer.momentum=1",
        "loss.hard_pixels=0",
        "loss.hard_threshold=2",
        "loss.edge=-0.1",
        "data.augment.flip=1.1",
        "data.augment.scale=[0, 1]",
        "data.augment.blur=[-3]",
        "data.augment.blur=[1001]",
        "data.train=[{kind: synthetic, limit: -1}]",
        "data.train=[{kind: synthetic, holdout: 2}]",
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(override):
    with pytest.raises(InputError, match=r"out of range; it must be (at least|between) \d"):
        load_recipe("demo", [override])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.augment.blur=[3, 4]", "blur: 4 is even; it must be odd, or 0"),
        ("data.augment.scale=[1.5, 0.5]", r"scale is \[1.5, 0.5\]; the smaller value comes first"),
        ("optimizer.learning_rate=.nan", "expected a finite number, got nan"),
        ("optimizer.learning_rate=.inf", "expected a finite number, got inf"),
        ("optimizer.learning_rate=1e999", "expected a finite number"),
        ("run.evaluate_every=0", "run.epochs is not set"),
        ("run.steps=7.5", "expected int"),
        ("run.steps=true", "expected int"),
        ("run.compile=1", "expected bool"),
        ("data.train=[]", "data.train is empty"),
        ("data.validate=[]", "data.validate is empty"),
        ("data.train=[{kind: synthetic, weight: 0}]", "every weight is 0"),
        ("model=[]", "expected a mapping with keys such as architecture"),
        ("model.architecture=[pspnet]", "unknown architecture"),
    ],
)
def test_other_unusable_values_say_what_to_do(override, message):
    with pytest.raises(InputError, match=message):
        load_recipe("demo", [override])


def test_both_ends_of_a_range_belong_to_it():
    bounded = Annotated[int, Range(2, 4)]
    assert [parse(bounded, value) for value in (2, 3, 4)] == [2, 3, 4]
    for value in (1, 5):
        with pytest.raises(InputError, match="between 2 and 4"):
            parse(bounded, value)
    assert [parse(Annotated[int, Range(0, odd=True)], value) for value in (0, 1, 3)] == [0, 1, 3]


def test_literals_are_told_apart_by_type():
    assert parse(Literal[1, 2], 1) == 1
    for value in (True, 1.0, "1"):
        with pytest.raises(InputError, match="none of 1, 2"):
            parse(Literal[1, 2], value)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_survives_its_own_yaml(name, tmp_path):
    recipe = load_recipe(name)
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
