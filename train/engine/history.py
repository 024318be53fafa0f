"""The logs of a run: a CSV row per step and per evaluation, Lightning loggers, and a progress bar."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.fabric.loggers import Logger
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ...runtime.console import console
from ...runtime.files import write_beside
from ..data.balance import ClassShares
from ..recipe import RunSpec


class History:
    """The logs of a run, continued exactly after `first_step`: steps.csv, scores.csv, `loggers` and a progress bar.

    Use as a context manager. Without `enabled` nothing is written: only one of several processes writes.
    """

    def __init__(
        self,
        folder: Path,
        first_step: int,
        run: RunSpec,
        loggers: Sequence[Logger] = (),
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled
        self.steps_csv = folder / "steps.csv"
        self.scores_csv = folder / "scores.csv"
        self.log_every = run.log_every
        self.loggers = loggers if enabled else ()
        if enabled:
            for path in (self.steps_csv, self.scores_csv):
                _keep_until(path, first_step)
        self.bar = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[score]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (enabled and console.is_terminal),
        )
        self.task = self.bar.add_task("train", total=run.steps, completed=first_step, loss=float("nan"), score="")

    def __enter__(self) -> History:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.bar.stop()
        for logger in self.loggers:
            logger.finalize("success" if kind is None else "failed")

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Record the losses and the learning rate of step number `step`, from 0."""
        if not self.enabled:
            return
        _append(self.steps_csv, {"step": step, **values})
        self.bar.update(self.task, completed=step + 1, loss=values["loss"])
        if step % self.log_every == 0:
            self._log("train", values, step)

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Record an evaluation after `step` steps."""
        if not self.enabled:
            return
        _append(self.scores_csv, {"step": step, **scores})
        self._log("validate", scores, step)
        metric = "/miou" if any(name.endswith("/miou") for name in scores) else "/fg_iou_per_image"
        shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if name.endswith(metric))
        self.bar.update(self.task, score=shown)
        console.print(f"step {step}: {shown}")

    def _log(self, stage: str, values: Mapping[str, float], step: int) -> None:
        for logger in self.loggers:
            logger.log_metrics({f"{stage}/{name}": value for name, value in values.items()}, step)


def write_classes(path: Path, classes: Sequence[str], shares: ClassShares) -> None:
    """A CSV row for each class: its share of pixels and of pictures, and the weight computed from them."""
    with write_beside(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["class", "pixels", "pictures", "weight"])
        writer.writerows(zip(classes, shares.pixels, shares.pictures, shares.weights, strict=True))


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of steps.csv or scores.csv as numbers."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(handle)]


def _append(path: Path, row: Mapping[str, float]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, row, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow({key: repr(value) for key, value in row.items()})


def _keep_until(path: Path, first_step: int) -> None:
    """Remove the rows after the state that the run resumes from, and a half-written last row."""
    if not path.exists():
        return
    limit = first_step if path.name == "scores.csv" else first_step - 1
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    columns = header.count(",")
    kept = [line for line in lines if line.count(",") == columns and int(line.split(",")[0]) <= limit]
    path.write_text("\n".join([header, *kept]) + "\n" if header else "", encoding="utf-8")
