"""`portraitnet benchmark runs RUNS`: a log of training runs, the failed and the stopped ones too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ...runtime.errors import InputError
from ...train.engine.history import read_history
from .table import Row, read_csv, write_csv

SCORES = "runs_scores"
_PORTRAIT, _PARSING = "/fg_iou_per_image", "/miou"
# A part of the loss is known by its column of steps.csv, under the weight's name in a recipe.
_ALWAYS = ("hard_threshold", "hard_pixels", "temperature")


def log_runs(runs: Sequence[Path], out: Path) -> Path:
    """Write or update runs.csv in `out`, a row for each run folder; rows of other runs stay. Returns its path.

    A row has the recipe's main choices, the steps planned and done, and the headline score on each held-out set at the
    last evaluation: foreground IoU per image, or mIoU of more than two classes (`score` says which). Beside it,
    runs_scores.csv holds every score of that evaluation, a row for each run and set, and runs.png draws the scores of
    these runs over their steps. Raises InputError for a folder that is not a training run.
    """
    if not runs:
        raise InputError("name at least one run's folder, as `portraitnet train` makes them")
    path = out / "runs.csv"
    rows: dict[str, dict[str, object]] = {row["run"]: dict(row) for row in read_csv(path)} if path.exists() else {}
    for run in runs:
        row = _row(run)
        rows[str(row["run"])] = row
    write_csv(path, list(rows.values()))
    _write_scores(out / f"{SCORES}.csv", runs)
    curves = {run.resolve().name: read_history(run / "scores.csv") for run in runs}
    if any(curves.values()):
        from .plots import plot_scores

        plot_scores(path.with_suffix(".png"), curves)
    return path


def _write_scores(path: Path, runs: Sequence[Path]) -> None:
    names = {run.resolve().name for run in runs}
    rows: list[Row] = []
    if path.exists():
        rows += [row for row in read_csv(path) if row["run"] not in names]
    for run in runs:
        history = read_csv(run / "scores.csv") if (run / "scores.csv").is_file() else []
        sets: dict[str, dict[str, object]] = {}
        for key, value in (history[-1] if history else {}).items():
            name, _, metric = key.rpartition("/")
            if name and value:
                facts: dict[str, object] = {"run": run.resolve().name, "step": history[-1]["step"], "set": name}
                sets.setdefault(name, facts)[metric] = int(float(value)) if metric == "images" else float(value)
        rows.extend(sets.values())
    if rows:
        write_csv(path, rows)


def _losses(loss: dict[str, Any], steps: Sequence[dict[str, str]]) -> str:
    """The losses that took part: their weight is above zero, and some step has a value (a head or teacher may lack)."""
    parts = []
    for name, weight in loss.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0 or name in _ALWAYS:
            continue
        if any(float(step.get(name) or 0) for step in steps):
            parts.append(f"{name}={weight}")
    return " ".join(parts)


def _row(run: Path) -> dict[str, object]:
    try:
        recipe: dict[str, Any] = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
        model, data, schedule = recipe["model"], recipe["data"], recipe["run"]
        steps = read_csv(run / "steps.csv")
        # A run that was stopped before its first evaluation has no scores, and is listed all the same.
        scores = read_csv(run / "scores.csv") if (run / "scores.csv").is_file() else []
        headline = _PARSING if len(model.get("classes") or ()) > 2 else _PORTRAIT
        done = int(steps[-1]["step"]) + 1 if steps else 0
        return {
            "run": run.resolve().name,
            "recipe": recipe["name"],
            "architecture": model["architecture"],
            "encoder": model["encoder"],
            "from": Path(schedule.get("start_from") or model["encoder_weights"]).name,
            "losses": _losses(recipe["loss"], steps),
            "learning_rate": f"{recipe['optimizer']['learning_rate']:g}",  # 1.2e-4 has more digits than a score
            "size": "x".join(map(str, data["size"])),
            "sets": " ".join(Path(source["path"]).name or source["kind"] for source in data["train"]),
            "batch": schedule["batch"],
            "seed": schedule["seed"],
            "steps": schedule["steps"],
            "done": done,
            "scored_at": scores[-1]["step"] if scores else "",
            "score": headline.removeprefix("/"),
            **{
                key.removesuffix(headline): float(v)
                for key, v in (scores or [{}])[-1].items()
                if key.endswith(headline)
            },
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{run} is no run's folder, as `portraitnet train` makes them ({reason})") from error
