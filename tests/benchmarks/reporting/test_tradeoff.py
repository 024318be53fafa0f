"""Accuracy against time takes each from its own file."""

from portraitnet.benchmarks.reporting.tradeoff import PANELS, draw_tradeoff, tradeoffs


def latency(model, ms, threads="1", kind="tflite"):
    return {"model": model, "format": kind, "threads": threads, "median_ms": ms, "fg_iou_per_image": "0.1"}


def score(file, iou, name="selfies"):
    return {"set": name, "file": file, "fg_iou_per_image": iou}


def test_the_fastest_tflite_on_one_thread_meets_the_score_of_the_file_that_ships():
    times = [
        latency("portraitnet-nano", "3.0"),
        latency("portraitnet-nano", "2.5"),
        latency("portraitnet-nano", "1.0", threads="2"),
        latency("portraitnet-nano", "0.5", kind="onnx"),
        latency("mediapipe-selfie-256x256", "4.0"),
        latency("never-scored", "1.0"),
    ]
    scores = [
        score("portraitnet-nano.tflite", "0.95"),
        score("portraitnet-nano.safetensors", "0.99"),
        score("mediapipe_selfie.yaml", "0.94"),
        score("portraitnet-untimed.tflite", "0.97"),
        score("portraitnet-nano.tflite", "0.50", name="a set without a panel"),
    ]
    found = tradeoffs(times, scores)
    assert found["selfies"] == {"nano": (2.5, 0.95), "mediapipe/selfie-256x256": (4.0, 0.94)}
    assert set(found) == set(PANELS)


def test_the_committed_plot_has_every_model_in_every_panel(tmp_path):
    from portraitnet.benchmarks.reporting.readme import accuracy
    from portraitnet.benchmarks.reporting.shipped import RESULTS
    from portraitnet.benchmarks.reporting.table import read_csv

    found = tradeoffs(read_csv(RESULTS / "latency_224x224.csv"), read_csv(RESULTS / f"{accuracy.SCORES}.csv"))
    for models in found.values():
        assert {"nano", "small", "mobile", "large"} < set(models)
        assert sum(name.startswith("mediapipe/") for name in models) == 3
    draw_tradeoff(RESULTS, "latency_224x224", accuracy.SCORES, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
