"""The loop's promises: resume after kill -9, data parallel equals one process, NaN stops with names."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from portraitnet.runtime.errors import InputError
from portraitnet.runtime.geometry import STRETCH
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.datasets.folder import Folder
from portraitnet.train.engine.checkpoint import load_checkpoint, save_checkpoint
from portraitnet.train.evaluate import evaluate
from portraitnet.train.loop import train
from portraitnet.train.models import build_model
from portraitnet.train.predict import TorchBackend
from portraitnet.train.pretrained.mediapipe import SPEC
from portraitnet.train.recipe import to_yaml

from .conftest import small_recipe


def losses(run):
    with (run / "steps.csv").open() as handle:
        return [row["loss"] for row in csv.DictReader(handle)]


def train_command(recipe_file, out, *more, launcher=("-m", "portraitnet")):
    return [
        sys.executable,
        *launcher,
        "train",
        str(recipe_file),
        "--out",
        str(out),
        "--accelerator",
        "cpu",
        *more,
    ]


@pytest.fixture
def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture
def one_thread():
    """As the processes of these tests have: sums of another order are other numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_run_killed_at_any_moment_resumes_bit_for_bit(tmp_path, folder_set, environment, one_thread):
    recipe = small_recipe(folder_set, run={"steps": 30})
    file = tmp_path / "small.yaml"
    file.write_text(to_yaml(recipe))
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    train(recipe, whole, accelerator="cpu")
    process = subprocess.Popen(
        train_command(file, torn), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not (torn / "steps.csv").exists() or len(losses(torn)) < 5:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(losses(torn)) < 30
    train(recipe, torn, resume=True, accelerator="cpu")
    assert losses(torn) == losses(whole)
    for name in ("best.safetensors", "last.safetensors", "scores.csv"):
        assert (torn / name).read_bytes() == (whole / name).read_bytes()


def test_two_processes_give_the_single_process_result(tmp_path, folder_set, environment, one_thread):
    # In double precision: a ReLU that rounding flips near zero changes a float32 gradient by up to 1 %.
    run = {"steps": 5, "precision": "64-true"}
    recipe = small_recipe(folder_set, run=run, optimizer={"name": "sgd", "learning_rate": 0.01})
    file = tmp_path / "small.yaml"
    file.write_text(to_yaml(recipe))
    one, two = tmp_path / "one", tmp_path / "two"
    train(recipe, one, accelerator="cpu")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "portraitnet")
    done = subprocess.run(train_command(file, two, launcher=torchrun), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.array(losses(two), float), np.array(losses(one), float), rtol=0, atol=1e-6)


def test_training_learns_and_the_checkpoint_gives_the_scores_it_states(tmp_path, folder_set):
    recipe = small_recipe(
        folder_set,
        run={"steps": 40, "seed": 2, "batch": 8, "evaluate_every": 20, "ema_decay": 0},
        optimizer={"learning_rate": 1e-3},
        data={
            "root": str(folder_set.parent),
            "size": [64, 64],
            "train": [{"kind": "folder", "path": folder_set.name, "split": "all"}],
            "validate": [{"kind": "folder", "path": folder_set.name, "split": "all"}],
            "augment": {"rotation": 0, "scale": [1, 1], "translation": 0},
            "workers": 0,
        },
    )
    checkpoint = load_checkpoint(train(recipe, tmp_path / "run", accelerator="cpu"))
    assert checkpoint.name == recipe.name
    stated = checkpoint.facts["scores"]["discs/fg_iou_per_image"]
    scores = evaluate(Segmenter(TorchBackend.of(checkpoint)), Folder(folder_set)).summary()
    assert scores["fg_iou_per_image"] == pytest.approx(stated, abs=1e-4)
    assert stated > 0.7


def test_fixed_statistics_stay_while_weights_learn_and_the_geometry_travels_with_them(tmp_path, folder_set):
    torch.manual_seed(0)
    start = build_model(SPEC).state_dict()
    save_checkpoint(tmp_path / "start.safetensors", start, SPEC, (64, 64), {}, geometry=STRETCH)
    recipe = small_recipe(
        folder_set,
        model={"architecture": "selfie", "encoder": SPEC.encoder},
        run={"steps": 2, "start_from": str(tmp_path / "start.safetensors"), "ema_decay": 0},
        optimizer={"fixed_statistics": True},
        data={"size": [64, 64], "geometry": STRETCH},
    )
    checkpoint = load_checkpoint(train(recipe, tmp_path / "run", accelerator="cpu"))
    assert checkpoint.geometry == STRETCH
    learned = checkpoint.model.state_dict()
    kept = [key for key in start if "running" in key]
    assert len(kept) == 2 * sum(isinstance(m, torch.nn.BatchNorm2d) for m in checkpoint.model.modules())
    assert all(torch.equal(learned[key], start[key]) for key in kept)
    assert not torch.equal(learned["encoder.bn1.weight"], start["encoder.bn1.weight"])


def test_a_lost_network_stops_with_step_and_pictures(tmp_path, folder_set):
    recipe = small_recipe(folder_set, optimizer={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(InputError, match=r"loss is \S+ at step \d+; its pictures were: 00\d.png, "):
        train(recipe, tmp_path / "run", accelerator="cpu")


def test_a_run_folder_is_not_overwritten_nor_resumed_by_another_recipe(tmp_path, folder_set):
    recipe = small_recipe(folder_set, run={"steps": 2})
    train(recipe, tmp_path / "run", accelerator="cpu")
    with pytest.raises(InputError, match="--resume"):
        train(recipe, tmp_path / "run", accelerator="cpu")
    other = small_recipe(folder_set, run={"steps": 2, "seed": 9})
    with pytest.raises(InputError, match=r"run.seed differ"):
        train(other, tmp_path / "run", resume=True, accelerator="cpu")
    assert yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["run"]["seed"] == 1


def test_a_finished_run_goes_on_with_more_steps(tmp_path, folder_set):
    seen = []

    def validate(network):
        seen.append(network.training)
        return {"selection": 1.0 / len(seen)}

    for steps, resume in ((2, False), (4, True)):
        recipe = small_recipe(folder_set, run={"steps": steps, "evaluate_every": 1})
        best = train(recipe, tmp_path / "run", resume, accelerator="cpu", loggers=[], validate=validate)
    assert [row["step"] for row in csv.DictReader((tmp_path / "run" / "steps.csv").open())] == ["0", "1", "2", "3"]
    assert seen == [False] * 4
    assert load_checkpoint(best).facts["step"] == 1
    assert load_checkpoint(best.with_name("last.safetensors")).facts["step"] == 4
    best.unlink()
    with pytest.raises(InputError, match=r"finished run, but its best.safetensors is gone"):
        train(recipe, tmp_path / "run", True, accelerator="cpu", loggers=[], validate=validate)


def test_a_mask_of_another_size_is_named(tmp_path, folder_set):
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder_set / "masks" / "003.png")
    with pytest.raises(InputError, match=r"003.png: the mask is 10x10 but its picture 003.png is 40x48"):
        train(small_recipe(folder_set), tmp_path / "run", accelerator="cpu")


def test_bf16_runs_on_the_cpu_too(tmp_path, folder_set):
    best = train(
        small_recipe(folder_set, run={"steps": 2, "precision": "bf16-mixed"}),
        tmp_path / "r",
        accelerator="cpu",
    )
    assert all(torch.isfinite(v).all() for v in load_checkpoint(best).model.state_dict().values())
