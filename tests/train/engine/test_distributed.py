"""Several processes agree: on gradients, on a loss that is not finite, and on the scores, each of its share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portraitnet.train.datasets.folder import Folder
from portraitnet.train.validation import Validation

from ..conftest import write_folder_set
from ..tiny import tiny_network, tiny_recipe


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    folder = write_folder_set(tmp_path_factory.mktemp("two") / "discs", count=5)
    script = Path(__file__).with_name("two_processes.py")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*launcher, str(script), str(folder)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_two_processes_give_the_gradients_of_one(processes):
    """Of unknown pixels, class weights, hard pixels, Dice and the boundary's unknown pixels alike."""
    _, found = processes
    assert found[0]["apart"].keys() == {"unknown", "weights", "hard", "dice", "edge", "jaccard"}
    for process in found:
        assert max(process["apart"].values()) < 1e-12, process["apart"]


def test_a_loss_that_is_not_finite_in_one_process_stops_both_with_its_pictures(processes):
    _, found = processes
    assert found[0]["message"] == found[1]["message"]
    names = "rank0.png, rank0.png, rank1.png, rank1.png"
    assert found[0]["message"].startswith(f"loss is nan at step 0; its pictures were: {names}.")


def test_validation_is_shared_and_gives_every_process_the_scores_of_one(processes):
    folder, found = processes
    assert [process["reads"] for process in found] == [3, 2]
    expected = Validation(tiny_recipe(), {"discs": Folder(folder)})(tiny_network())
    assert expected["discs/images"] == 5
    for process in found:
        assert process["scores"] == pytest.approx(expected, abs=1e-12)
