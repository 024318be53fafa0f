import errno
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from rich.progress import Progress

from portraitnet.runtime.errors import InputError
from portraitnet.train.data import cache as cache_module
from portraitnet.train.data.cache import open_cache
from portraitnet.train.data.feed import (
    ResidentBatches,
    TrainingBatches,
    canvas_size,
    feed,
    loader_processes,
    open_caches,
)
from portraitnet.train.datasets import open_source
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.datasets.synthetic import Synthetic

from ..conftest import small_recipe

CANVAS = (96, 80)


def batches_of(recipe, root, home, **share):
    sources = [open_source(spec, root, recipe.data.size) for spec in recipe.data.train]
    with Progress(disable=True) as bar:
        return TrainingBatches(sources, open_caches(sources, recipe.data, bar), recipe, **share)


@pytest.fixture
def recipe(folder_set, tmp_path):
    return small_recipe(
        folder_set,
        data={
            "size": [64, 64],
            "train": [{"kind": "folder", "path": folder_set.name, "split": "all", "upper_body": 0.5}],
            "cache": str(tmp_path / "cache"),
            "augment": {"cut_and_paste": 0.5},
        },
        run={"batch": 4, "steps": 5},
    )


def test_a_cache_holds_what_the_source_gives(folder_set, tmp_path):
    source = Folder(folder_set, "all")
    cache = open_cache(source, CANVAS, tmp_path / "home")
    assert len(cache) == len(source) == 6
    images, masks = cache.mapped()
    for index in range(6):
        for kept, made in zip(cache.read(index), source.on_canvas(index, CANVAS), strict=True):
            np.testing.assert_array_equal(kept, made)
        np.testing.assert_array_equal(images[index], cache.read(index)[0])
        np.testing.assert_array_equal(masks[index], cache.read(index)[1])
    assert cache.bytes == sum((cache.folder / name).stat().st_size for name in ("images.bin", "masks.bin"))


def test_a_cache_is_built_once_and_again_when_a_file_changes(folder_set, tmp_path):
    heard = []
    first = open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home", heard.append)
    assert heard == [6]
    again = open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home", heard.append)
    assert (again.folder, heard) == (first.folder, [6])

    Image.fromarray(np.full((48, 40, 3), 7, np.uint8)).save(folder_set / "images" / "003.png")
    changed = open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home", heard.append)
    assert heard == [6, 6]
    assert (changed.read(3)[0][40, 40] == 7).all()
    other = open_cache(Folder(folder_set, "all"), (32, 32), tmp_path / "home")
    assert changed.folder.exists()
    assert other.read(0)[0].shape == (32, 32, 3)


def repaint(folder_set, name, value):
    Image.fromarray(np.full((48, 40, 3), value, np.uint8)).save(folder_set / "images" / name)


def test_a_cache_that_is_read_outlives_its_successor_and_is_removed_after(folder_set, tmp_path):
    home = tmp_path / "home"
    old = open_cache(Folder(folder_set, "all"), CANVAS, home)
    before, folder = old.read(5)[0].copy(), old.folder
    travelled = pickle.loads(pickle.dumps(old))  # as to a loader's worker
    repaint(folder_set, "003.png", 7)
    changed = open_cache(Folder(folder_set, "all"), CANVAS, home)
    np.testing.assert_array_equal(old.read(5)[0], before)
    np.testing.assert_array_equal(travelled.read(5)[0], before)
    assert changed.folder != folder
    del old
    repaint(folder_set, "003.png", 8)
    open_cache(Folder(folder_set, "all"), CANVAS, home)
    assert not folder.exists()  # nothing would ever read it again


def test_a_reader_that_was_killed_holds_nothing(folder_set, tmp_path):
    home = tmp_path / "home"
    lines = (
        "import os, signal, sys, pathlib\n"
        "from portraitnet.train.data.cache import open_cache\n"
        "from portraitnet.train.datasets.folder import Folder\n"
        "cache = open_cache(Folder(pathlib.Path(sys.argv[1])), (96, 80), pathlib.Path(sys.argv[2]))\n"
        "print(cache.folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", lines, str(folder_set), str(home)]
    folder = Path(subprocess.run(command, capture_output=True, text=True).stdout.strip())
    assert folder.is_dir()
    assert list((folder / "readers").iterdir())
    repaint(folder_set, "003.png", 7)
    open_cache(Folder(folder_set, "all"), CANVAS, home)
    assert not folder.exists()


def test_caches_of_lists_that_nobody_opens_any_more_go_after_a_month(folder_set, tmp_path):
    home = tmp_path / "home"
    old, young = (open_cache(Folder(folder_set, "all"), (side, side), home).folder for side in (32, 48))
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (month_ago, month_ago))
    repaint(folder_set, "extra.png", 9)
    (folder_set / "masks" / "extra.png").write_bytes((folder_set / "masks" / "000.png").read_bytes())
    open_cache(Folder(folder_set, "all"), CANVAS, home)
    assert not old.exists()
    assert young.exists()
    os.utime(young, (month_ago, month_ago))
    (folder_set / "images" / "extra.png").unlink()
    open_cache(Folder(folder_set, "all"), (48, 48), home)
    assert young.stat().st_mtime > month_ago + 1  # opening it counts


def test_a_cache_cut_short_is_built_again(folder_set, tmp_path):
    cache = open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home")
    whole = cache.read(5)[0]
    os.truncate(cache.folder / "images.bin", 1000)
    np.testing.assert_array_equal(open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home").read(5)[0], whole)


def test_two_builders_at_once_build_once(folder_set, tmp_path):
    heard, caches = [], []

    def build():
        caches.append(open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home", heard.append))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [6]
    assert len({cache.folder for cache in caches}) == 1


def test_an_unreadable_picture_leaves_no_cache(folder_set, tmp_path):
    (folder_set / "images" / "002.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    with pytest.raises(InputError, match=r"002\.png"):
        open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home")
    assert [p.suffix for p in (tmp_path / "home").iterdir()] == [".lock"]


def test_a_full_disk_is_said_before_anything_is_written(folder_set, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"free; set data\.cache"):
        open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home")


def test_a_cache_that_cannot_be_written_says_so(folder_set, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"set data\.cache=FOLDER elsewhere"):
        open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "file")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Folder, "on_canvas", full)
    with pytest.raises(InputError, match="No space left"):
        open_cache(Folder(folder_set, "all"), CANVAS, tmp_path / "home")
    assert [p.suffix for p in (tmp_path / "home").iterdir()] == [".lock"]


@pytest.mark.parametrize("canvas", [0, 0.5, 100])
def test_a_canvas_of_no_use_is_refused(recipe, canvas):
    with pytest.raises(InputError, match="1 to 8 times"):
        canvas_size(replace(recipe.data, canvas=canvas))


def test_rendered_pictures_need_no_cache(tmp_path):
    assert open_cache(Synthetic((32, 32)), CANVAS, tmp_path) is None


def test_rendered_pictures_are_as_sharp_in_training_as_when_judged():
    def sharpness(picture):
        small = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA)
        return cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var()

    scenes = Synthetic((96, 96))
    judged, trained = ([f(i) for i in range(6)] for f in (scenes.read, lambda i: scenes.on_canvas(i, (192, 192))))
    for (image, mask), (canvas, labels, rect) in zip(judged, trained, strict=True):
        np.testing.assert_array_equal(labels, mask)
        assert rect == (0, 0, 192, 192)
        assert sharpness(canvas) == pytest.approx(sharpness(image), rel=0.02)
    assert scenes.on_canvas(0, (96, 96))[0].shape == (96, 96, 3)


def equal(one, other):
    return all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for part, same in zip(one[:2], other[:2], strict=True)
        for a, b in zip(part, same, strict=True)
    )


def test_a_step_is_the_same_whoever_asks_and_when(recipe, folder_set, tmp_path):
    root = folder_set.parent
    batches = batches_of(recipe, root, tmp_path)
    in_order = list(feed(batches, 0, torch.device("cpu")))
    assert len(in_order) == 5
    resumed = next(iter(feed(batches, 3, torch.device("cpu"))))
    assert all(torch.equal(a, b) for a, b in zip(in_order[3][:4], resumed[:4], strict=True))
    assert not torch.equal(in_order[3].augmented, in_order[4].augmented)


def test_batches_held_in_memory_are_the_same(recipe, folder_set, tmp_path):
    batches = batches_of(recipe, folder_set.parent, tmp_path)
    resident = ResidentBatches(batches, torch.device("cpu"))
    assert all(equal(batches[step], resident[step]) for step in range(5))
    assert any(len(batches[step].canvases.paste_into) for step in range(5))


def test_processes_share_a_step_between_them(recipe, folder_set, tmp_path):
    whole = batches_of(recipe, folder_set.parent, tmp_path)[2]
    shares = [batches_of(recipe, folder_set.parent, tmp_path, rank=rank, world=2)[2] for rank in range(2)]
    assert shares[0].names + shares[1].names == whole.names
    torch.testing.assert_close(torch.cat([s.canvases.images for s in shares]), whole.canvases.images)
    torch.testing.assert_close(torch.cat([s.draws.angle for s in shares]), whole.draws.angle)
    with pytest.raises(ValueError, match="cannot be shared"):
        batches_of(recipe, folder_set.parent, tmp_path, rank=0, world=3)


def test_pictures_are_drawn_by_weight(recipe, folder_set, tmp_path):
    heavy, light = (replace(recipe.data.train[0], weight=weight) for weight in (3.0, 1.0))
    recipe = replace(recipe, data=replace(recipe.data, train=(heavy, light)), run=replace(recipe.run, batch=400))
    chosen, _ = batches_of(recipe, folder_set.parent, tmp_path).draw(0)
    assert sum(source == 0 for source, _ in chosen.pictures) / 400 == pytest.approx(0.75, abs=0.07)
    assert {index for _, index in chosen.pictures} == set(range(6))


def test_without_a_cache_the_batches_are_the_same(recipe, folder_set, tmp_path):
    uncached = replace(recipe, data=replace(recipe.data, cache="none"))
    pair = [batches_of(r, folder_set.parent, tmp_path) for r in (recipe, uncached)]
    assert pair[1].caches == [None]
    assert equal(pair[0][1], pair[1][1])
    cpu = torch.device("cpu")
    # Decoding is worth processes of its own on a CPU, augmentation is not.
    by_two = [replace(r, data=replace(r.data, workers=2)) for r in (recipe, uncached)]
    cached, decoded = (batches_of(r, folder_set.parent, tmp_path) for r in by_two)
    assert [loader_processes(batches, cpu) for batches in (cached, decoded)] == [0, 2]
    assert loader_processes(cached, torch.device("cuda")) == 2
    for here, there in zip(feed(cached, 3, cpu), feed(decoded, 3, cpu), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(here[:4], there[:4], strict=True))
