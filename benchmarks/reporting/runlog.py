"""`portraitnet benchmark runs RUNS`: a log of training runs, the failed and the stopped ones too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ...runtime.errors import InputError
from .table import read_csv, write_csv

_SCORE = "/fg_iou_per_image"


def log_runs(runs: Sequence[Path], out: Path) -> Path:
    """Write or update runs.csv in `out`, a row for each run folder; rows of other runs stay. Returns its path.

    A row tells the recipe's main choices, the steps planned and done, and the foreground IoU per image on each held-out
    set at the last evaluation. Raises InputError for a folder that is no run of ours.
    """
    if not runs:
        raise InputError("name at least one run's folder, as `portraitnet train` makes them")
    path = out / "runs.csv"
    rows: dict[str, dict[str, object]] = {row["run"]: dict(row) for row in read_csv(path)} if path.exists() else {}
    for run in runs:
        row = _row(run)
        rows[str(row["run"])] = row
    write_csv(path, list(rows.values()))
    return path


def _is_weight(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _row(run: Path) -> dict[str, object]:
    try:
        recipe: dict[str, Any] = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
        model, data, schedule = recipe["model"], recipe["data"], recipe["run"]
        steps = read_csv(run / "steps.csv")
        # A run that was stopped before its first evaluation has no scores, and is told all the same.
        scores = read_csv(run / "scores.csv") if (run / "scores.csv").is_file() else []
        done = int(steps[-1]["step"]) + 1 if steps else 0
        return {
            "run": run.resolve().name,
            "recipe": recipe["name"],
            "architecture": model["architecture"],
            "encoder": model["encoder"],
            "from": Path(schedule.get("start_from") or model["encoder_weights"]).name,
            "losses": " ".join(f"{name}={value}" for name, value in recipe["loss"].items() if _is_weight(value)),
            "learning_rate": recipe["optimizer"]["learning_rate"],
            "size": "x".join(map(str, data["size"])),
            "sets": " ".join(Path(source["path"]).name or source["kind"] for source in data["train"]),
            "batch": schedule["batch"],
            "seed": schedule["seed"],
            "steps": schedule["steps"],
            "done": done,
            "scored_at": scores[-1]["step"] if scores else "",
            **{key.removesuffix(_SCORE): float(v) for key, v in (scores or [{}])[-1].items() if key.endswith(_SCORE)},
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{run} is no run's folder, as `portraitnet train` makes them ({reason})") from error
