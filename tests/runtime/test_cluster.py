"""`run --cluster` on a real Ray of two workers on this computer."""

import collections
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from portraitnet.runtime import cluster, process
from portraitnet.runtime.errors import InputError, OutputError
from portraitnet.runtime.media.images import load_image, save_image
from portraitnet.runtime.media.video import VideoReader
from portraitnet.runtime.metrics import iou
from portraitnet.runtime.process import Options, run

PICTURES = 24  # shares of three for two workers


@pytest.fixture(scope="module")
def two_workers():
    """A Ray of two cores that only this computer can reach."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    ray = pytest.importorskip("ray", reason="the ray extra is not installed")
    pytest.importorskip("ray.data", reason="the ray extra is not installed")
    if sys.platform == "win32":
        pytest.skip("Ray is for Linux and Mac")
    # Workers import what this process does, wherever it found it.
    paths = os.pathsep.join(path for path in sys.path if path)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 << 20,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def folder(tmp_path, person):
    """Pictures of the green person, each told from the others by its background's blue."""
    for number in range(PICTURES):
        image = person[0].copy()
        image[~person[1]] = (200, 0, 10 * number)
        save_image(tmp_path / "in" / f"{number:02}.png", image)
    return tmp_path / "in"


def opener(model, log, deadly=lambda number, done: False):
    """Opens `model` in a worker, and has it write down each picture once its alpha is found.

    No worker goes on before two have begun.
    """

    def meet():
        (log.parent / f"worker-{os.getpid()}").touch()
        limit = time.monotonic() + 120
        while len(list(log.parent.glob("worker-*"))) < 2 and time.monotonic() < limit:
            time.sleep(0.05)

    def opened(has_video):
        from portraitnet.runtime import Segmenter

        segmenter = Segmenter.load(model, threads=1)
        real, done = segmenter.small_alpha, []

        def noted(image):
            number = round(int(image[0, 0, 2]) / 10)
            if not done:
                meet()
            if deadly(number, len(done)):
                os.kill(os.getpid(), signal.SIGKILL)
            done.append(number)
            with log.open("a") as lines:
                lines.write(f"{os.getpid()} {number}\n")
            return real(image)

        segmenter.small_alpha = noted
        return segmenter

    return opened


def check(out, person, numbers):
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [f"{number:02}.png" for number in numbers]
    for number in numbers:
        picture = load_image(out / f"{number:02}.png")
        white = (picture > 250).all(-1)
        assert iou(~white, person[1]) > 0.85


def test_a_folder_is_shared_by_two_workers(two_workers, folder, tmp_path, make_onnx, contract, person):
    log, out = tmp_path / "log", tmp_path / "out"
    summary = run([folder], opener(make_onnx(contract), log), out, background="#ffffff", cluster="auto")
    assert len(summary.written) == summary.frames == PICTURES
    check(out, person, range(PICTURES))
    lines = [line.split() for line in log.read_text().splitlines()]
    assert sorted(int(number) for _, number in lines) == list(range(PICTURES))
    assert len({process for process, _ in lines}) == 2
    (out / "03.png").unlink()
    again = run([folder], opener(make_onnx(contract), log), out, background="#ffffff", cluster="auto")
    assert [path.name for path in again.written] == ["03.png"]
    assert len(again.done_before) == PICTURES - 1
    old = (out / "07.png").stat().st_ino
    run([folder], opener(make_onnx(contract), log), out, background="#ffffff", overwrite=True, cluster="auto")
    assert (out / "07.png").stat().st_ino != old  # done again, though it was there


def test_a_killed_worker_loses_nothing_and_repeats_nothing(two_workers, folder, tmp_path, make_onnx, contract, person):
    log, out, killed = tmp_path / "log", tmp_path / "out", tmp_path / "killed"

    def deadly(number, done):
        """Once, in the midst of a share, with part of it finished."""
        if done != 2:
            return False
        try:
            killed.open("x").close()
        except FileExistsError:
            return False
        return True

    summary = run([folder], opener(make_onnx(contract), log, deadly), out, background="#ffffff", cluster="auto")
    assert killed.exists()
    assert len(summary.written) == PICTURES
    check(out, person, range(PICTURES))
    counts = collections.Counter(line.split()[1] for line in log.read_text().splitlines())
    assert counts == {str(number): 1 for number in range(PICTURES)}


def test_what_cannot_be_read_or_kills_every_worker_is_named_and_the_rest_is_done(
    two_workers, folder, tmp_path, make_onnx, contract, person, caplog
):
    (folder / "05.png").write_bytes(b"rubbish")
    odd = folder / os.fsdecode(b"odd\xff.png")  # a name that is no Unicode
    odd.write_bytes(b"rubbish")
    log, out = tmp_path / "log", tmp_path / "out"
    with pytest.raises(InputError, match=r"3 of 25 files failed: ") as failed:
        run(
            [folder],
            opener(make_onnx(contract), log, lambda number, done: number == 11),
            out,
            background="#ffffff",
            cluster="auto",
        )
    for name in ("05.png", "11.png", "odd?.png"):
        assert str(folder / name) in str(failed.value)
    check(out, person, [number for number in range(PICTURES) if number not in (5, 11)])
    assert "11.png: each of 3 workers that had it died" in caplog.text
    assert "05.png" in caplog.text


def test_videos_and_notices_come_through(two_workers, folder, tmp_path, make_onnx, contract, make_clip, caplog):
    make_clip("in/c.mp4")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "p.png", icc_profile=b"rubbish")
    out, log = tmp_path / "out", tmp_path / "log"
    summary = run([folder], opener(make_onnx(contract), log), out, background="#ffffff", cluster="auto")
    assert (summary.videos, summary.frames) == (1, PICTURES + 1 + 12)
    assert len(list(VideoReader(out / "c.mp4"))) == 12
    assert "colour profile cannot be used" in caplog.text


def test_a_folder_that_cannot_be_written_ends_the_run(two_workers, folder, tmp_path, make_onnx, contract):
    model = make_onnx(contract)

    def opened(has_video):
        from portraitnet.runtime import Segmenter

        return Segmenter.load(model, threads=1)

    (tmp_path / "file").write_text("no folder")
    job = process.Job(folder / "00.png", tmp_path / "file" / "x.png")
    with pytest.raises(OutputError, match="cannot write"):
        list(cluster.run_on_cluster([job], opened, Options()))


def test_without_ray_the_extra_is_named(folder, tmp_path, make_onnx, contract, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"portraitnet\[ray\]"):
        run([folder], opener(make_onnx(contract), tmp_path / "log"), tmp_path / "out", cluster="auto")


def test_a_cluster_gets_no_opened_model(folder, tmp_path, segmenter):
    with pytest.raises(ValueError, match="open the model themselves"):
        run([folder], segmenter, tmp_path / "out", cluster="auto")


@pytest.mark.slow
def test_the_command_starts_a_ray_that_only_this_computer_reaches(folder, tmp_path, person, make_onnx, contract):
    pytest.importorskip("ray", reason="the ray extra is not installed")
    model = make_onnx(contract)
    (folder / "05.png").write_bytes(b"rubbish")
    command = [sys.executable, "-m", "portraitnet", "run", "in", "--out", "out", "--background", "white"]
    command += ["--cluster", "auto", "--model", model.name, "--no-edge-refine"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "error: 1 of 24 files failed: in/05.png" in done.stderr
    assert "Traceback" not in done.stderr
    check(tmp_path / "out", person, [number for number in range(PICTURES) if number != 5])
