import csv
import sys
from types import ModuleType

import pytest

from portraitnet.runtime.errors import InputError
from portraitnet.train.engine.history import History, read_history
from portraitnet.train.engine.loggers import open_loggers
from portraitnet.train.recipe import RunSpec

RUN = RunSpec(steps=6, log_every=2)


def log(folder, first_step, loggers, steps):
    with History(folder, first_step, RUN, open_loggers(loggers, folder, "small", first_step)) as history:
        for step in range(first_step, steps):
            history.step(step, {"loss": 1.5 + step, "learning_rate": 0.1})
        history.scores(steps, {"people/miou": 0.25, "selection": 0.25})


def events(folder, monkeypatch):
    # By this name TensorBoard leaves TensorFlow out, which takes 15 seconds to load.
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("notf"))
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    loader = EventFileLoader(str(next((folder / "tensorboard").glob("events*"))))
    return {(v.tag, e.step): v.tensor.float_val[0] for e in loader.Load() for v in e.summary.value}


def test_steps_and_scores_reach_every_logger_at_its_interval(tmp_path, monkeypatch):
    log(tmp_path, 0, ["tensorboard", "csv"], 6)
    assert [row["loss"] for row in read_history(tmp_path / "steps.csv")] == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert read_history(tmp_path / "scores.csv") == [{"step": 6, "people/miou": 0.25, "selection": 0.25}]
    found = events(tmp_path, monkeypatch)
    assert {key: value for key, value in found.items() if key[0] == "train/loss"} == {
        ("train/loss", 0): 1.5,
        ("train/loss", 2): 3.5,
        ("train/loss", 4): 5.5,
    }
    assert found["validate/people/miou", 6] == 0.25
    with (tmp_path / "csv" / "from_step_0" / "metrics.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["train/loss"]) for row in rows if row["train/loss"]] == [1.5, 3.5, 5.5]


def test_a_resumed_log_has_each_step_once(tmp_path):
    log(tmp_path, 0, [], 5)
    with (tmp_path / "steps.csv").open("a") as handle:
        handle.write("5,9.")  # a kill within a line
    log(tmp_path, 3, [], 6)
    assert [row["step"] for row in read_history(tmp_path / "steps.csv")] == list(range(6))
    assert [row["step"] for row in read_history(tmp_path / "scores.csv")] == [6]


def test_only_the_enabled_process_writes(tmp_path):
    loggers = open_loggers(["csv"], tmp_path, "small")
    with History(tmp_path, 0, RUN, loggers, enabled=False) as history:
        history.step(0, {"loss": 1.0})
        history.scores(1, {"people/miou": 0.25})
    assert list(tmp_path.rglob("*.csv")) == []


def test_unknown_and_missing_loggers_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="logger 'tensorbord' is none of tensorboard, csv, wandb, mlflow"):
        open_loggers(["tensorbord"], tmp_path, "small")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="pip install wandb"):
        open_loggers(["wandb"], tmp_path, "small")
