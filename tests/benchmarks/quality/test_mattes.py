from rich.progress import Progress

from portraitnet.benchmarks.quality import mattes
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.runtime.backends import default_weights

from ...train.conftest import write_folder_set


def test_refinements_stand_side_by_side_on_both_kinds_of_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(mattes, "_INPUT", (48, 40))
    folder = write_folder_set(tmp_path / "set", 2)
    with Progress(disable=True) as bar:
        rows = read_csv(mattes.benchmark_mattes([default_weights()], [folder], 1, False, tmp_path, bar))
    assert [(row["set"], row["refinement"], row["images"]) for row in rows] == [
        ("set", "none", "2"),
        ("set", "guided filter", "2"),
        ("rendered", "none", "1"),
        ("rendered", "guided filter", "1"),
    ]
    assert rows[0]["sad"] != rows[1]["sad"]
    assert float(rows[0]["soft_share"]) == 0 < float(rows[2]["soft_share"])
    assert "guided filter" in mattes.table(rows)
