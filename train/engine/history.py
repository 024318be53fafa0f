"""What a run wrote down: a CSV row per step and per evaluation, TensorBoard, and a progress bar."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from tensorboardX import SummaryWriter

from ...runtime.files import write_beside
from ..data.balance import ClassShares


class History:
    """Opens a run's logs so that they continue exactly after `first_step`; use as a context manager."""

    def __init__(self, folder: Path, first_step: int, steps: int, log_every: int) -> None:
        self.steps_csv = folder / "steps.csv"
        self.scores_csv = folder / "scores.csv"
        self.log_every = log_every
        for path in (self.steps_csv, self.scores_csv):
            _keep_until(path, first_step)
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[score]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.task = self.bar.add_task("train", total=steps, completed=first_step, loss=float("nan"), score="")

    def __enter__(self) -> History:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        self.board.close()

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Record the losses and rate of one step."""
        _append(self.steps_csv, {"step": step, **values})
        self.bar.update(self.task, completed=step + 1, loss=values["loss"])
        if step % self.log_every == 0:
            for name, value in values.items():
                self.board.add_scalar(f"train/{name}", value, step)

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Record an evaluation after `step` steps."""
        _append(self.scores_csv, {"step": step, **scores})
        for name, value in scores.items():
            self.board.add_scalar(f"validate/{name}", value, step)
        metric = "/miou" if any(name.endswith("/miou") for name in scores) else "/fg_iou_per_image"
        shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if name.endswith(metric))
        self.bar.update(self.task, score=shown)
        self.bar.console.print(f"step {step}: {shown}")


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
    """Drop what was logged after the state that the run resumes from; a torn last line goes with it."""
    if not path.exists():
        return
    limit = first_step if path.name == "scores.csv" else first_step - 1
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    columns = header.count(",")
    kept = [line for line in lines if line.count(",") == columns and int(line.split(",")[0]) <= limit]
    path.write_text("\n".join([header, *kept]) + "\n" if header else "", encoding="utf-8")
