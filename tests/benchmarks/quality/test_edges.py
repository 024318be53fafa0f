import numpy as np
import pytest
from rich.progress import Progress

from portraitnet.benchmarks.quality.edges import alpha_errors, benchmark_edges
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.runtime.contract import Contract
from portraitnet.runtime.metrics import IGNORE
from portraitnet.runtime.segmenter import Segmenter
from portraitnet.train.datasets.folder import Folder

from ...train.conftest import write_folder_set


def test_plain_and_refined_edges_stand_side_by_side(tmp_path):
    source = Folder(write_folder_set(tmp_path / "set", 2), "all")
    with Progress(disable=True) as bar:
        (row,) = read_csv(benchmark_edges([default_weights()], [("set", source)], tmp_path, 1, bar))
    assert (row["set"], row["images"], row["threads"]) == ("set", "2", "1")
    assert float(row["ms_at_720p"]) > 0
    errors = {row[name] for name in ("alpha_error", "alpha_error_levels", "alpha_error_refined")}
    assert len(errors) == 3
    assert all(0 < float(error) < 1 for error in errors)


def test_the_error_of_alpha_is_of_known_pixels_alone():
    class Half:
        """The person on the left, nothing known on the right."""

        def __len__(self):
            return 1

        def read(self, index):
            labels = np.zeros((40, 40), np.uint8)
            labels[:, :20], labels[:, 20:] = 1, IGNORE
            return np.zeros((40, 40, 3), np.uint8), labels

    class Sure:
        contract = Contract("sure", ("background", "person"), 32, 32)

        def run(self, batch):
            return np.full((1, 32, 32, 1), 0.8, np.float32)

    errors = alpha_errors(Segmenter(Sure()), Half())
    assert errors["alpha_error"] == pytest.approx(0.2, abs=1e-3)
    assert errors["alpha_error_levels"] == pytest.approx(0.125, abs=3e-3)
