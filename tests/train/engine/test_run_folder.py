"""Which runs may start or resume in a folder."""

import pytest
import torch

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.run_folder import open_run_folder
from portraitnet.train.engine.state import RunState, save_state
from portraitnet.train.recipe import load_recipe


def recipe(*overrides):
    return load_recipe("demo", ["run.steps=10", *overrides])


@pytest.fixture
def run(tmp_path):
    """A run of `recipe()` that was stopped after 4 steps."""
    assert open_run_folder(tmp_path, recipe(), resume=False, writes=True) is None
    weights = {"w": torch.zeros(1)}
    save_state(tmp_path / "state", RunState(4, 0.5, weights, weights, {}))
    (tmp_path / "best.safetensors").write_bytes(b"")
    return tmp_path


def resumed(run, *overrides):
    return open_run_folder(run, recipe(*overrides), resume=True, writes=True)


def test_a_run_resumes_where_it_stopped_and_is_not_overwritten(run):
    assert resumed(run).step == 4
    with pytest.raises(InputError, match="--resume"):
        open_run_folder(run, recipe(), resume=False, writes=True)


def test_a_run_resumes_with_more_steps_which_its_recipe_then_states(run):
    assert resumed(run, "run.steps=20", "run.log_every=3").step == 4
    assert load_recipe(run / "recipe.yaml").run.steps == 20


def test_a_run_cannot_have_fewer_steps_than_it_has_done(run):
    assert resumed(run, "run.steps=4").step == 4
    with pytest.raises(InputError, match=r"run.steps = 3, but .* has done 4 steps"):
        resumed(run, "run.steps=3")


def test_another_recipe_is_refused_with_the_keys_that_differ(run):
    with pytest.raises(InputError, match=r"another recipe \(model.edge_head, run.seed differ\)"):
        resumed(run, "run.seed=9", "model.edge_head=false")


@pytest.mark.parametrize("content", [None, b"", b"run: [", b"\xff\xfe", b"run: {steps: many}", b"- 3"])
def test_a_lost_or_damaged_recipe_is_one_line(run, content):
    stored = run / "recipe.yaml"
    stored.unlink() if content is None else stored.write_bytes(content)
    with pytest.raises(InputError, match=r"recipe.yaml is lost or damaged"):
        resumed(run)


def test_a_lost_state_does_not_start_the_run_again_over_its_results(run):
    next((run / "state").iterdir()).rename(run / "state" / "gone")
    with pytest.raises(InputError, match=r"best.safetensors, but its state is lost"):
        resumed(run)
    with pytest.raises(InputError, match="already holds a run"):
        open_run_folder(run, recipe(), resume=False, writes=True)


def test_a_run_that_was_stopped_before_its_first_state_starts_again(tmp_path):
    for resume in (False, True):
        assert open_run_folder(tmp_path, recipe(), resume, writes=True) is None


def test_only_one_process_writes(tmp_path):
    open_run_folder(tmp_path, recipe(), resume=False, writes=False)
    assert list(tmp_path.iterdir()) == []
