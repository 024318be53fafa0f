from rich.progress import Progress

from portraitnet.benchmarks.edges import benchmark_edges
from portraitnet.benchmarks.table import read_csv
from portraitnet.runtime.backends import default_weights
from portraitnet.train.datasets.folder import Folder

from ..train.conftest import write_folder_set


def test_plain_and_refined_edges_stand_side_by_side(tmp_path):
    source = Folder(write_folder_set(tmp_path / "set", 2), "all")
    with Progress(disable=True) as bar:
        (row,) = read_csv(benchmark_edges([default_weights()], [("set", source)], tmp_path, 1, bar))
    assert (row["set"], row["images"], row["threads"]) == ("set", "2", "1")
    assert float(row["ms_at_720p"]) > 0
    assert row["boundary_iou_plain"] != row["boundary_iou_refined"]
