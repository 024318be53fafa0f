import numpy as np
import pytest
from rich.progress import Progress

from portraitnet.benchmarks.quality.flicker import benchmark_flicker, measure, moving_clip
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.datasets.folder import Folder

from ...train.conftest import write_folder_set

SCENE = np.zeros((120, 160, 3), np.uint8)
SCENE[30:, 50:110] = 200
MASK = (SCENE[..., 0] > 0).astype(np.uint8)


def test_a_drifting_camera_moves_picture_and_truth_together():
    clip = list(moving_clip(SCENE, MASK, 0.03, seed=1, frames=20, size=(96, 128)))
    assert len({truth.tobytes() for _, truth in clip}) > 10
    for frame, truth in clip:
        assert frame[truth].mean() > 180 > 40 > frame[~truth].mean()
    still = [truth for _, truth in moving_clip(SCENE, MASK, 0.0, seed=1, frames=3, size=(96, 128))]
    assert all((truth == still[0]).all() for truth in still)


class Trembling:
    """A backend that is right about the scene, and unsure of it by a different amount each time."""

    contract = Contract("trembling", ("background", "person"), 64, 64)

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def run(self, batch):
        right = np.where(batch.mean(-1, keepdims=True) > 100, 0.85, 0.15)
        return (right + self.rng.uniform(-0.1, 0.1, right.shape)).astype(np.float32)


@pytest.mark.parametrize("drift", [0.0, 0.03])
def test_smoothing_takes_the_trembling_and_leaves_the_edges(drift):
    scores = measure(Segmenter(Trembling()), list(moving_clip(SCENE, MASK, drift, seed=2)))
    assert scores["flicker_plain"] > 3 * scores["flicker_smoothed"]
    assert scores["edge_iou_smoothed"] > scores["edge_iou_plain"] - 0.01


def test_the_results_file_tells_both_cameras(tmp_path):
    source = Folder(write_folder_set(tmp_path / "set", 2), "all")
    with Progress(disable=True) as bar:
        path = benchmark_flicker([default_weights()], [("set", source)], tmp_path / "out", 1, bar)
    rows = read_csv(path)
    assert [(row["camera"], row["clips"]) for row in rows] == [("still", "1"), ("drifting", "1")]
    assert all(float(row["flicker_plain"]) >= 0 for row in rows)
