import pytest

from portraitnet.benchmarks.latency import training
from portraitnet.benchmarks.latency.training import benchmark_training
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.cli.benchmark_speed import training_command
from portraitnet.runtime.errors import InputError
from portraitnet.train.recipe import load_recipe


def test_training_speed_is_told_against_the_network_alone(tmp_path):
    small = ["model.encoder=mobilenetv3_small_050", "data.size=[32, 32]", "data.workers=0", "run.batch=2"]
    path = benchmark_training(load_recipe("demo", small), tmp_path, steps=2, accelerator="cpu")
    rows = {row["what"]: row for row in read_csv(path)}
    assert path.name == "training_demo.csv"
    assert float(rows["one batch again and again"]["of_the_network_alone"]) == 1
    assert float(rows["training"]["images_per_second"]) > 0
    assert {row["batch"] for row in rows.values()} == {"2"}


def test_the_command_takes_changes_of_the_recipe(tmp_path, monkeypatch):
    asked = []

    def stop(recipe, *_, **__):
        asked.append(recipe)
        raise InputError("enough")

    monkeypatch.setattr(training, "benchmark_training", stop)
    with pytest.raises(InputError, match="enough"):
        training_command(["run.batch=16", "run.precision=32-true"], data=tmp_path)
    assert (asked[0].run.batch, asked[0].run.precision) == (16, "32-true")
    assert asked[0].data.root == str(tmp_path)
