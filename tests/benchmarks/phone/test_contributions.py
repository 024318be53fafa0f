"""Phones that people contribute: what is committed passes the check, and what is wrong is named."""

import shutil

import pytest
from typer.testing import CliRunner

from portraitnet.benchmarks.phone.contributions import (
    CONTRIBUTED,
    PUBLISHED,
    check_contributions,
    phones_table,
    published,
)
from portraitnet.benchmarks.reporting.readme_phones import front_page, phones
from portraitnet.benchmarks.reporting.table import LATENCY_COLUMNS, write_csv
from portraitnet.cli.app import app
from portraitnet.runtime.errors import InputError

ROW = {
    **dict.fromkeys(LATENCY_COLUMNS, ""),
    **{"model": "portraitnet-nano", "format": "tflite", "precision": "fp16", "backend": "LiteRT CPU (XNNPACK)"},
    **{"threads": 2, "median_ms": 4.5, "runs": 150, "machine": "Google Pixel 8 (Tensor G3)", "versions": "Android 14"},
    **{"source": "adb", "when": "2026-11-25T12:00:00+00:00", "cold_start_ms": 31.2, "heat_after": "light"},
}


def test_what_is_committed_passes_and_others_figures_have_their_source():
    rows = check_contributions(CONTRIBUTED)
    assert phones_table(rows)
    theirs = published()
    assert {"PortraitNet", "MediaPipe-Selfie-Segmentation"} <= {row["model"] for row in theirs}
    assert all(row["source"] for row in theirs)


def test_an_empty_table_says_so_and_how_to_fill_it(tmp_path):
    assert phones_table(check_contributions(tmp_path)).startswith("No phone has been measured yet")
    done = CliRunner().invoke(app, ["phone", "check", str(tmp_path)])
    assert (done.exit_code, "No phone has been measured yet" in done.output) == (0, True)


def test_a_contributed_phone_is_in_the_table(tmp_path):
    gpu = {**ROW, "backend": "LiteRT GPU", "residency": "whole", "median_ms": 1.25}
    write_csv(tmp_path / "google-pixel-8.csv", [ROW, gpu])
    done = CliRunner().invoke(app, ["phone", "check", str(tmp_path)])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if "Pixel 8" in line]
    assert ["1.25" in lines[0], "whole" in lines[0], "4.50" in lines[1], "31.2" in lines[1]] == [True] * 4


def test_the_readme_shows_the_table_as_soon_as_there_is_a_row(tmp_path):
    (tmp_path / "phones").mkdir()
    shutil.copy(CONTRIBUTED / PUBLISHED, tmp_path / "phones")
    assert front_page(tmp_path) == ""
    assert phones(tmp_path).startswith("No phone has been measured yet")
    assert "not measured by us" in phones(tmp_path)
    write_csv(tmp_path / "phones" / "google-pixel-8.csv", [ROW])
    assert "Google Pixel 8 (Tensor G3)" in front_page(tmp_path)
    assert phones(tmp_path).index("Google Pixel 8") < phones(tmp_path).index("iPhone 7")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("Pixel 8.csv", {}, "name it maker-model.csv"),
        ("google-pixel-8.csv", {"median_ms": -1}, r"google-pixel-8\.csv, line 2: median_ms is '-1'"),
        ("google-pixel-8.csv", {"source": "a friend"}, "source 'a friend' is none of"),
        ("google-pixel-8.csv", {"when": "", "versions": ""}, "states its versions, when"),
        ("google-pixel-8.csv", {"backend": "LiteRT NPU"}, "how much of the network it took"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, name, changes, message):
    write_csv(tmp_path / name, [{**ROW, **changes}])
    with pytest.raises(InputError, match=message):
        check_contributions(tmp_path)


def test_a_file_holds_one_phone_and_is_text(tmp_path):
    write_csv(tmp_path / "a.csv", [ROW, {**ROW, "machine": "Fairphone 5"}])
    with pytest.raises(InputError, match="names 2 phones"):
        check_contributions(tmp_path)
    (tmp_path / "a.csv").write_bytes("größe\n1".encode("utf-16"))
    with pytest.raises(InputError, match="no CSV in UTF-8"):
        check_contributions(tmp_path)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match="holds no result"):
        check_contributions(tmp_path)
