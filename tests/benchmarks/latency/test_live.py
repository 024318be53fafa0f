import stat
import time

import pytest
from rich.progress import Progress

from portraitnet.benchmarks.latency.timing import live
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.errors import InputError


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(live, "_FRAMES", 10)
    monkeypatch.setattr(live, "_SETTLED", 10)


def example(tmp_path, answers):
    """Stands in for a Python with mediapipe: what it says first, and for each turn."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\necho {answers[0]}\nwhile read go; do echo {answers[1]}; done\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_rates_delay_and_memory_are_measured_beside_the_example(tmp_path):
    peer = example(tmp_path, ["ready", "0.5"])  # ten frames in half a second
    path = live.benchmark_live([default_weights()], [1], tmp_path, 2, 30, peer, Progress(disable=True))
    ours, theirs = read_csv(path)
    assert float(theirs["frames_per_second"]) == 20
    assert float(ours["times_mediapipe"]) == pytest.approx(float(ours["frames_per_second"]) / 20, rel=0.5)
    assert 0 < float(ours["delay_ms"]) <= float(ours["delay_p90_ms"])
    assert float(ours["delay_frames"]) == pytest.approx(float(ours["delay_ms"]) * 0.03, rel=1e-2)
    assert float(ours["resident_mb"]) > 50
    assert ours["soak_frames"] == "30"


def test_a_python_without_mediapipe_is_refused(tmp_path):
    peer = example(tmp_path, ["Traceback", ""])
    with pytest.raises(InputError, match=r"does not run MediaPipe's example; pip install mediapipe"):
        live.benchmark_live([default_weights()], [1], tmp_path, 1, 0, peer, Progress(disable=True))


def test_a_picture_that_nobody_looked_at_leaves_its_place_to_the_next():
    source = live._Endless([0, 1], 9, paced=False, under_way=2)
    source.read()
    source.read()
    assert not source.free.acquire(blocking=False)
    source.shown(time.monotonic())  # the second; it had replaced the first
    assert [source.free.acquire(blocking=False) for _ in range(3)] == [True, True, False]
