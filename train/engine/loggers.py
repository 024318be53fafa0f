"""Experiment loggers of Lightning, by name: what `portraitnet train --logger` offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.fabric.loggers.logger import rank_zero_experiment

from ...runtime.errors import InputError

LOGGERS = ("tensorboard", "csv", "wandb", "mlflow")


class _TensorBoard(TensorBoardLogger):
    """Lightning's, but always on tensorboardX: torch's writer loads TensorFlow where that is installed (15 seconds)."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            from tensorboardX import SummaryWriter

            self._experiment = SummaryWriter(self.log_dir, **self._kwargs)
        return self._experiment


def open_loggers(names: Sequence[str], folder: Path, run: str, first_step: int = 0) -> list[Logger]:
    """The loggers of a run called `run`, below its `folder`, continuing at `first_step`.

    Raises InputError for an unknown name, and for one whose package is not installed.
    """
    return [_open(name, folder, run, first_step) for name in names]


def _open(name: str, folder: Path, run: str, first_step: int) -> Logger:
    if name == "tensorboard":
        return _TensorBoard(folder, name="tensorboard", version="", purge_step=first_step)
    if name == "csv":
        # A version of its own for each start: Lightning's CSV logger cannot continue a file.
        return CSVLogger(folder, name="csv", version=f"from_step_{first_step}")
    if name not in LOGGERS:
        raise InputError(f"logger {name!r} is none of {', '.join(LOGGERS)}")
    from lightning.pytorch.loggers import MLFlowLogger, WandbLogger

    try:
        if name == "wandb":
            return WandbLogger(name=run, project="portraitnet", save_dir=folder)
        return MLFlowLogger("portraitnet", run_name=run, save_dir=str(folder / "mlruns"))
    except ModuleNotFoundError as error:
        raise InputError(f"--logger {name} needs a package that is not installed: pip install {name}") from error
