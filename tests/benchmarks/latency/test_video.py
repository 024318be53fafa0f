"""`benchmark video` and `startup`: whole commands."""

import shutil
import subprocess

import pytest

from portraitnet.benchmarks.latency import startup, video
from portraitnet.benchmarks.latency.clip import write_panning_clip
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.media.video import VideoReader
from portraitnet.runtime.process import run
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.runtime.shipped import find_model


def test_every_model_and_encoder_is_run_on_every_background_beside_its_limit(tmp_path, monkeypatch):
    opened, made = [], []
    load, once = video.Segmenter.load, video.run
    monkeypatch.setattr(
        video.Segmenter, "load", lambda model, threads, refine: opened.append((threads, refine)) or load(model, threads)
    )
    monkeypatch.setattr(
        video, "run", lambda *given, **options: made.append(options["encoder"]) or once(*given, **options)
    )
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    rows = read_csv(
        video.benchmark_video([find_model("nano")], [1, 2], tmp_path, runs=2, seconds=0.1, encoders=["fast", "small"])
    )
    assert opened == [(1, True), (2, True)]  # as `run` refines unless told otherwise
    assert made == ["fast", "small"] * 8
    ours = [row for row in rows if row["model"] == "portraitnet-nano"]
    assert {(row["threads"], row["background"], row["encoder"], row["run"]) for row in ours} == {
        (threads, background, encoder, run)
        for threads in "12"
        for background in ("blur", "#208060")
        for encoder in ("fast", "small")
        for run in "01"
    }
    assert [(row["model"], row["encoder"]) for row in rows if row not in ours] == [
        (video.LIMIT, encoder) for encoder in ("fast", "fast", "small", "small")
    ]
    assert all(float(row["frames_per_second"]) > 0 < float(row["cpu_ms_per_frame"]) for row in rows)
    assert {row["frames"] for row in rows} == {"3"}
    assert len(video.table(rows).splitlines()) == 12


@pytest.mark.parametrize("encoder", ["fast", "small"])
def test_the_limit_has_the_encoders_own_settings(tmp_path, encoder):
    """x264 writes its settings into the file: those of a run and of its limits are the same."""
    clip = write_panning_clip(tmp_path / "clip.mp4", (96, 160), seconds=0.2)
    run([clip], Segmenter.load("nano"), tmp_path / "run.mp4", encoder=encoder)
    video.transcode(clip, tmp_path / "limit.mp4", encoder)
    files = [tmp_path / "run.mp4", tmp_path / "limit.mp4"]
    if ffmpeg := shutil.which("ffmpeg"):
        files.append(tmp_path / "ffmpeg.mp4")
        command = [ffmpeg, *video.ffmpeg_arguments(clip, files[-1], encoder)]
        subprocess.run(command, check=True, capture_output=True)
    settings = []
    for file in files:
        content = file.read_bytes()
        start = content.index(b"cabac=")
        words = content[start : content.index(b"\0", start)].decode().split()
        ours = ("subme=", "mbtree=", "rc_lookahead=", "crf=", "me=", "ref=", "bframes=", "trellis=", "keyint=")
        settings.append([word for word in words if word.startswith(ours)])
        assert len(list(VideoReader(file))) == 6
    assert len(settings[0]) == 9
    assert all(one == settings[0] for one in settings)


def test_older_results_have_a_table_without_what_they_lack():
    rows = [{"model": "a", "background": "blur", "threads": "2", "frames_per_second": str(rate)} for rate in (9, 1, 5)]
    assert [(line["frames/s"], line["CPU ms per frame"]) for line in video.medians(rows)] == [("5", "")]


def test_start_up_is_timed_as_whole_processes(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(startup.subprocess, "run", lambda command, **_: ran.append(command))
    rows = read_csv(startup.benchmark_startup(tmp_path, repeats=2))
    assert len(ran) == 9  # three commands, one round that warms up
    assert [row["command"] for row in rows] == ["python -c pass", "import portraitnet.runtime", "portraitnet --help"]
    assert "portraitnet --help" in startup.table(rows)
