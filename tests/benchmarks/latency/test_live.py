"""The live benchmark: what is timed is really composed, and figures are those of the turns."""

import stat
import time

import cv2
import numpy as np
import pytest
from rich.progress import Progress

from portraitnet.benchmarks.latency import live, pipelines
from portraitnet.benchmarks.latency.pipelines import GREY, Turn, one_thread, overlapped
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.errors import InputError
from portraitnet.runtime.segmenter import Segmenter


class Left:
    """A model whose person is the bright half of the picture."""

    contract = Contract("left", ("background", "person"), 32, 32)

    def run(self, batch):
        return (batch.mean(-1, keepdims=True) > 160).astype(np.float32)


def frames_of_a_person(count=4):
    """BGR; the person is (10, 200, 250) in BGR and stands on the left; numbers grow by the row below."""
    frames = np.zeros((count, 64, 64, 3), np.uint8)
    frames[:, :, :32] = 250, 200, 210
    return frames


def is_composed(picture):
    """Flipped, so the person is on the right, in RGB; the rest is grey."""
    assert picture.shape == (64, 64, 3)
    assert (picture[:, :28] == GREY).all()
    assert (picture[:, 36:] == (210, 200, 250)).all()


@pytest.mark.parametrize("work", ["hard", "soft", "shipped"])
def test_one_thread_composes_every_frame(work):
    pictures = []
    turn = one_thread(Segmenter(Left()), work, frames_of_a_person(), pictures.append)
    assert turn.frames == len(pictures) == 4
    assert turn.cpu_seconds > 0
    for picture in pictures:
        is_composed(picture)


def test_a_hard_mask_mixes_nothing_and_a_soft_one_does():
    class Unsure(Left):
        def run(self, batch):
            return np.where(super().run(batch) > 0, np.float32(0.6), np.float32(0.1))

    for work, right in (("hard", {210}), ("soft", {round(0.625 * 210 + 0.375 * GREY)})):
        pictures = []
        one_thread(Segmenter(Unsure()), work, frames_of_a_person(), pictures.append)
        found = set(np.unique(pictures[-1][:, 40:, 0]))
        assert found == right, work


def test_the_live_pipeline_composes_every_frame_and_tells_the_delay():
    pictures = []
    turn, delays = overlapped([Segmenter(Left())], frames_of_a_person(), 6, False, pictures.append)
    assert turn.frames == len(pictures) == len(delays) >= 3
    for picture in pictures:
        is_composed(picture)


def test_on_one_core_while_it_is_timed_and_on_all_afterwards():
    if not hasattr(pipelines.os, "sched_getaffinity"):
        pytest.skip("this system pins no threads")
    before, threads, during = pipelines.os.sched_getaffinity(0), cv2.getNumThreads(), []
    one_thread(
        Segmenter(Left()), "soft", frames_of_a_person(), lambda _: during.append(pipelines.os.sched_getaffinity(0))
    )
    assert all(len(cores) == 1 for cores in during)
    assert pipelines.os.sched_getaffinity(0) == before
    assert cv2.getNumThreads() == threads


def test_a_row_compares_turn_by_turn():
    def contestant(threads, *turns):
        return live.Contestant("net", "net.tflite", "soft", threads, lambda: None, [Turn(60, *turn) for turn in turns])

    peer = contestant("one thread", (1.0, 0.9), (2.0, 1.8), (4.0, 3.6))  # the machine became slower
    ours = contestant("one thread", (0.5, 0.45), (1.0, 0.9), (2.0, 1.8))
    row = ours.row(peer)
    assert row["times_mediapipe"] == pytest.approx(2)
    assert row["cpu_of_mediapipe"] == pytest.approx(0.5)
    assert row["frames_per_second"] == 60
    assert row["cpu_ms_per_frame"] == pytest.approx(15)
    assert row["cores_busy"] == pytest.approx(0.9)
    # Several cores against one: their frames per second are not compared.
    assert "times_mediapipe" not in contestant("live, 1 under way", (0.5, 0.45)).row(contestant("one thread", (1, 1)))


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(live, "FRAMES", 6)
    monkeypatch.setattr(live, "SETTLED", 6)


def peer_python(tmp_path, first, answer):
    """Stands in for a Python with mediapipe: what it says first, and for each turn."""
    path = tmp_path / "python"
    path.write_text(
        f"#!/bin/sh\necho {first}\nwhile read work; do echo $work >> {tmp_path}/asked; echo {answer}; done\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_results_hold_every_pipeline_beside_mediapipes(tmp_path, short):
    peer = peer_python(tmp_path, "ready", "0.5 0.25")  # six frames in half a second
    path = live.benchmark_live([default_weights()], [1], tmp_path, 2, 20, peer, Progress(disable=True))
    rows = read_csv(path)
    assert [(row["work"].split(",")[0], row["threads"]) for row in rows] == [
        ("thresholded mask", "one thread"),
        ("soft alpha", "one thread"),
        ("soft alpha", "one thread"),
        ("soft alpha", "live, 1 under way"),
        ("thresholded mask", "one thread"),
        ("soft alpha", "one thread"),
        ("thresholded mask", "one thread"),
    ]
    theirs = rows[5]
    assert float(theirs["frames_per_second"]) == 12
    assert float(theirs["cpu_ms_per_frame"]) == pytest.approx(1000 * 0.25 / 6, rel=1e-3)
    assert (tmp_path / "asked").read_text().split() == ["hard", "soft", "published"] * 3
    shipped = rows[3]
    assert 0 < float(shipped["delay_ms"]) <= float(shipped["delay_p90_ms"])
    assert shipped["soak_frames"] == "20"
    assert rows[0]["kernels"] in ("compiled", "opencv")
    text = live.table(rows)
    assert text.count("\n| ") == 8  # headings and seven lines
    assert "CPU ms per frame" in text


def test_a_python_without_mediapipe_is_refused(tmp_path, short):
    peer = peer_python(tmp_path, "Traceback", "")
    with pytest.raises(InputError, match=r"does not run MediaPipe; pip install mediapipe"):
        live.benchmark_live([default_weights()], [1], tmp_path, 1, 0, peer, Progress(disable=True))


def test_a_picture_that_nobody_looked_at_leaves_its_place_to_the_next():
    source = pipelines._Endless(frames_of_a_person(2), 9, paced=False, under_way=2)
    source.read()
    source.read()
    assert not source.free.acquire(blocking=False)
    source.shown(time.monotonic())  # the second; it had replaced the first
    assert [source.free.acquire(blocking=False) for _ in range(3)] == [True, True, False]
