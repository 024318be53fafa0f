"""`benchmark video` and `startup`: whole commands."""

from portraitnet.benchmarks.latency import startup, video
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.shipped import find_model


def test_every_thread_count_is_run_on_every_background(tmp_path, monkeypatch):
    opened = []
    load = video.Segmenter.load
    monkeypatch.setattr(video.Segmenter, "load", lambda model, threads: opened.append(threads) or load(model, threads))
    rows = read_csv(video.benchmark_video([find_model("nano")], [1, 2], tmp_path, repeats=2, seconds=0.1))
    assert opened == [1, 2]
    assert len(rows) == 8
    assert {(row["threads"], row["background"]) for row in rows} == {
        (threads, background) for threads in "12" for background in ("blur", "#208060")
    }
    assert all(float(row["frames_per_second"]) > 0 and row["frames"] == "3" for row in rows)
    assert len(video.table(rows).splitlines()) == 6


def test_start_up_is_timed_as_whole_processes(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(startup.subprocess, "run", lambda command, **_: ran.append(command))
    rows = read_csv(startup.benchmark_startup(tmp_path, repeats=2))
    assert len(ran) == 9  # three commands, one round that warms up
    assert [row["command"] for row in rows] == ["python -c pass", "import portraitnet.runtime", "portraitnet --help"]
    assert "portraitnet --help" in startup.table(rows)
