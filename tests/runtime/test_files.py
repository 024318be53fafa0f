import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest

from portraitnet.runtime import files
from portraitnet.runtime.errors import InputError, OutputError
from portraitnet.runtime.files import (
    bytes_of,
    exists,
    reading,
    require_file,
    sha256_of,
    write_beside,
    write_folder_beside,
    write_text,
)
from portraitnet.runtime.media.images import save_image
from portraitnet.runtime.process import run


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@contextmanager
def disk_of(size):
    """The kernel refuses every write past `size` bytes of a file: a disk that fills up halfway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_writes_whole_and_replaces(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "one")
    write_text(tmp_path / "deep" / "a.txt", "two")
    assert (tmp_path / "deep" / "a.txt").read_text() == "two"
    assert names_in(tmp_path / "deep") == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail():
        with write_beside(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "bundle"
    for name in ("one", "two"):
        with write_folder_beside(target) as fresh:
            (fresh / name).write_text(name)
    assert names_in(target) == ["two"]
    assert names_in(tmp_path) == ["bundle"]


def test_the_old_folder_survives_a_failed_swap(tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")
    real = os.replace

    def fails_once_for_new(source, destination):
        if str(source).endswith("new"):
            raise OSError(28, "No space left on device")
        real(source, destination)

    monkeypatch.setattr(os, "replace", fails_once_for_new)
    with pytest.raises(OutputError, match="No space left"), write_folder_beside(target) as fresh:
        (fresh / "new").write_text("new")
    assert names_in(target) == ["old"]
    assert names_in(tmp_path) == ["bundle"]


def test_hash_and_size_of_files_and_folders(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    assert sha256_of(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    folder = tmp_path / "d"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "f").write_bytes(b"abc")
    first = sha256_of(folder)
    (folder / "sub" / "f").rename(folder / "f")
    assert sha256_of(folder) != first  # names count
    assert bytes_of(folder) == bytes_of(file) == 3


def test_a_full_disk_leaves_no_half_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    with disk_of(20_000), pytest.raises(OutputError, match=r"cannot write .*nothing was left half-written"):
        save_image(tmp_path / "a.png", noise)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("size", [30_000, 400_000])
@pytest.mark.parametrize("sound", [None, "aac"])
def test_a_full_disk_leaves_no_half_video(tmp_path, make_clip, segmenter, size, sound):
    clip = make_clip(size=(240, 320), frames=60, noise=True, sound=sound)
    out = tmp_path / "out"
    with disk_of(size), pytest.raises(OutputError, match="cannot write"):
        run([clip], segmenter, out, background=str(clip))
    assert names_in(out) == []


def test_a_full_disk_stops_the_run(tmp_path, segmenter):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    for name in ("a.png", "b.png"):
        save_image(tmp_path / "in" / name, noise)
    with disk_of(1_000), pytest.raises(OutputError, match=r"a\.png"):
        run([tmp_path / "in"], segmenter, tmp_path / "out")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_only_a_full_disk_tells_of_free_space(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    with disk_of(20_000), pytest.raises(OutputError, match="MiB free there"):
        save_image(tmp_path / "a.png", noise)
    with pytest.raises(OutputError) as caught:
        write_text("/proc/nothing/a.txt", "x")
    assert "free" not in str(caught.value)


@pytest.mark.parametrize("place", ["/proc/a.png", "/dev/null/a.png", "n" * 300 + ".png"])
def test_places_that_cannot_be_written(tmp_path, place):
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_text(tmp_path / place, "x")
    assert len(str(caught.value)) < 400


def test_the_longest_names_can_be_written(tmp_path):
    write_text(tmp_path / ("n" * 251 + ".txt"), "x")
    assert names_in(tmp_path) == ["n" * 251 + ".txt"]


def test_what_the_system_refuses_to_say_is_one_line(tmp_path, monkeypatch):
    for look in (exists, require_file):
        with pytest.raises(InputError, match="File name too long"):
            look(tmp_path / ("n" * 300))
    with pytest.raises(InputError, match=r"a\.png cannot be read: Permission denied"), reading(tmp_path / "a.png"):
        raise PermissionError(13, "Permission denied")
    assert not exists(tmp_path / "a.png" / "b")


def test_what_a_killed_run_left_is_removed(tmp_path, monkeypatch):
    for name in ("old", "busy", "fresh"):
        folder = tmp_path / f".portraitnet-{name}.partial"
        folder.mkdir()
        (folder / "half.mp4").write_bytes(b"half")
        if name != "fresh":
            os.utime(folder, (0, 0))
    handle = files._locked(tmp_path / ".portraitnet-busy.partial")
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.close(handle)
    assert sorted(names_in(tmp_path)) == [".portraitnet-busy.partial", ".portraitnet-fresh.partial", "a.txt"]


def test_names_keep_their_spaces_and_lose_their_escapes():
    assert str(InputError("a  b.jpg\n  is \x1b[31mred")) == "a  b.jpg is ?[31mred"
