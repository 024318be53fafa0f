"""What `benchmark latency` calls when it times a model, and how it tells contestants apart."""

import numpy as np
import pytest

from portraitnet.benchmarks.latency import computer
from portraitnet.benchmarks.latency.computer import Measure, benchmark_latency
from portraitnet.benchmarks.latency.engines import chosen_engines
from portraitnet.benchmarks.latency.timing import summarize
from portraitnet.benchmarks.reporting.compare import compare
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights


@pytest.fixture
def called(monkeypatch):
    """Each contestant's call is made once, and its result kept."""
    results = []

    def once(calls, runs, warmup, on_round):
        results.extend(call() for call in calls)
        return [summarize([1.0 + index] * runs) for index, _ in enumerate(calls)]

    monkeypatch.setattr(computer, "interleave", once)
    return results


def test_end_to_end_is_from_a_720p_frame_to_its_mask(tmp_path, called):
    benchmark_latency([default_weights()], tmp_path, (1,), measure=Measure(5, 0), engines=chosen_engines("litert"))
    alone, whole = called
    assert alone.shape == (1, 224, 224, 1)
    assert whole.shape == (720, 1280)
    assert whole.dtype == np.uint8


def test_two_contestants_of_one_name_stay_two(tmp_path, called):
    models = []
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        models.append(tmp_path / folder / "net.tflite")
        models[-1].write_bytes(default_weights().read_bytes())
    path = benchmark_latency(
        models, tmp_path / "out", (1,), measure=Measure(5, 0, end_to_end=False), engines=chosen_engines("litert")
    )
    rounds = read_csv(path.with_name(f"{path.stem}_rounds.csv"))
    assert [name.rpartition(" ")[2] for name in rounds[0] if name != "round"] == [
        "before/net.tflite",
        "after/net.tflite",
    ]
    changes = compare(path, path).changes
    assert [change.before_ms for change in changes] == [1.0, 2.0]
