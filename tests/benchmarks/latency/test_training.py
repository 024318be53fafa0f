from portraitnet.benchmarks.latency.training import benchmark_training
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.train.recipe import load_recipe


def test_training_speed_is_told_against_the_network_alone(tmp_path):
    small = ["model.encoder=mobilenetv3_small_050", "data.size=[32, 32]", "data.workers=0", "run.batch=2"]
    path = benchmark_training(load_recipe("demo", small), tmp_path, steps=2, accelerator="cpu")
    rows = {row["what"]: row for row in read_csv(path)}
    assert path.name == "training_demo.csv"
    assert float(rows["one batch again and again"]["of_the_network_alone"]) == 1
    assert float(rows["training"]["images_per_second"]) > 0
    assert {row["batch"] for row in rows.values()} == {"2"}
