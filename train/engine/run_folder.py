"""The folder of a run: what it holds, and whether a recipe may start or resume there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from ...runtime.files import write_text
from ..recipe import Recipe, load_recipe, to_yaml
from .state import RunState, load_state

BEST, LAST, RECIPE, STATE = "best.safetensors", "last.safetensors", "recipe.yaml", "state"
_MAY_CHANGE_ON_RESUME = {
    "about",
    "data.root",
    "data.cache",
    "data.workers",
    "run.steps",
    "run.checkpoint_every",
    "run.log_every",
    "run.compile",
}


def open_run_folder(out: Path, recipe: Recipe, resume: bool, writes: bool) -> RunState | None:
    """Prepare `out` for a run of `recipe`: the state to resume from, or None for a run from the start.

    The process that `writes` stores the recipe. Raises InputError when `out` holds a run and `resume` is not set, or
    when that run cannot be continued: by another recipe, by one of fewer steps than are done, or with parts lost.
    """
    state = load_state(out / STATE)
    results = [name for name in (BEST, LAST) if (out / name).exists()]
    if (state or results) and not resume:
        raise InputError(f"{out} already holds a run; add --resume to continue it, or choose another --out")
    if results and not state:
        raise InputError(f"{out} holds {results[0]}, but its state is lost: it cannot be resumed; choose another --out")
    if state:
        _check_same_run(out / RECIPE, recipe, state)
    if writes:
        write_text(out / RECIPE, to_yaml(recipe))
    return state


def _check_same_run(stored: Path, recipe: Recipe, state: RunState) -> None:
    try:
        before = _flat(dataclasses.asdict(load_recipe(stored)))
    except InputError as error:
        raise InputError(
            f"{stored} is lost or damaged, and without it a run cannot be resumed: restore it, or choose another --out "
            f"({error})"
        ) from error
    now = _flat(dataclasses.asdict(recipe))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    changed = [key for key in changed if key not in _MAY_CHANGE_ON_RESUME]
    if changed:
        raise InputError(
            f"{stored.parent} was started with another recipe ({', '.join(changed[:4])} differ); see {stored}"
        )
    if recipe.run.steps < state.step:
        raise InputError(f"run.steps = {recipe.run.steps}, but {stored.parent} has done {state.step} steps already")


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    return {k: v for key, item in tree.items() for k, v in _flat(item, f"{prefix}{key}.").items()}
