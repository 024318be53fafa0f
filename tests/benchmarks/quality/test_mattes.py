import shutil

import pytest
from rich.progress import Progress

from portraitnet.benchmarks.quality import mattes
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.errors import InputError
from portraitnet.train.datasets.folder import AlphaFolder

from ...train.conftest import write_folder_set


def test_refinements_stand_side_by_side_on_both_kinds_of_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(mattes, "_INPUT", (48, 40))
    folder = write_folder_set(tmp_path / "set", 2)
    with Progress(disable=True) as bar:
        rows = read_csv(mattes.benchmark_mattes([default_weights()], [folder], 1, False, tmp_path, bar))
    assert [(row["set"], row["refinement"], row["images"]) for row in rows] == [
        ("set", "none", "2"),
        ("set", "guided filter", "2"),
        ("rendered", "none", "1"),
        ("rendered", "guided filter", "1"),
    ]
    assert rows[0]["sad"] != rows[1]["sad"]
    assert float(rows[0]["soft_share"]) == 0 < float(rows[2]["soft_share"])
    assert "guided filter" in mattes.table(rows)


def test_held_out_pictures_are_those_that_training_does_not_see_and_runs_keep_their_names(tmp_path):
    folder, models = write_folder_set(tmp_path / "set", 6), []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        models.append(tmp_path / name / "last.tflite")
        shutil.copy(default_weights(), models[-1])
    with Progress(disable=True) as bar:
        rows = read_csv(mattes.benchmark_mattes(models, [folder], 0, False, tmp_path, bar, 0.4))
    held = len(AlphaFolder(folder, "val", 0.4))
    assert 0 < held < 6
    assert held + len(AlphaFolder(folder, "train", 0.4)) == 6
    assert {row["images"] for row in rows} == {str(held)}
    assert {row["file"] for row in rows} == {"first/last.tflite", "second/last.tflite"}
    with Progress(disable=True) as bar, pytest.raises(InputError, match=r"no picture is held out at --holdout 1e-06"):
        mattes.benchmark_mattes(models, [folder], 0, False, tmp_path, bar, 1e-6)
