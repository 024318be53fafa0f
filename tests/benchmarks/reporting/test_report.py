"""The report, also as a browser shows it."""

import re
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from portraitnet.benchmarks.phone.readings import EXTRA_COLUMNS
from portraitnet.benchmarks.reporting.plots import front
from portraitnet.benchmarks.reporting.report import write_report
from portraitnet.benchmarks.reporting.table import LATENCY_COLUMNS, write_csv
from portraitnet.cli.app import app
from portraitnet.runtime.errors import InputError

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
HOSTILE = "<img src=x onerror=alert(1)> $\\frac{ & </svg><script>alert(2)</script>"


def latency(model, precision, milliseconds, accuracy, **changes):
    return {
        **dict.fromkeys(LATENCY_COLUMNS, ""),
        **{"model": model, "format": "tflite", "precision": precision, "backend": "LiteRT/XNNPACK", "threads": 1},
        **{"height": 224, "width": 224, "bytes": 3_000_000, "weights": "trained", "fg_iou_per_image": accuracy},
        **{"median_ms": milliseconds, "p90_ms": 1.1 * milliseconds, "iqr_ms": 0.3, "runs": 50, "machine": "a computer"},
        **changes,
    }


@pytest.fixture
def results(tmp_path):
    rows = [latency("net", "int8", 8.0, 0.91), latency("net", "fp32", 9.0, 0.90), latency(HOSTILE, "fp32", 20.0, 0.95)]
    write_csv(tmp_path / "latency_224x224.csv", [*rows, latency("rival", "fp32", 30.0, "", weights="random")])
    write_csv(tmp_path / "latency_224x224_rounds.csv", [{"round": 0, "net": 8.0}])
    phone = {**dict.fromkeys(EXTRA_COLUMNS, ""), **latency("net", "int8", 4.0, ""), "machine": HOSTILE}
    write_csv(tmp_path / "phones.csv", [phone | {"heat_before": "none", "heat_after": "light", "source": "adb"}])
    layer = {"operator": "CONV_2D", "type": "int8", "iqr_ms": 0.1, "floor_ms": 1.0, "threads": 1, "runs": 50}
    layers = [
        {
            "layer": f"{i} CONV_2D",
            "macs": 10,
            "bytes": 10,
            "median_ms": 1.0 + i,
            "share_of_limit": 0.5,
            "bound": "memory",
        }
        for i in range(7)
    ]
    whole = {"layer": "whole model", "macs": 70, "bytes": 70, "median_ms": 27.0, "share_of_limit": 0.4, "bound": ""}
    write_csv(tmp_path / "roofline_net_int8.csv", [layer | one for one in (*layers, whole)])
    core = {"model": "net", "core": "cortex-a53", "million_instructions": 205.9, "machine": "a computer"}
    write_csv(tmp_path / "arm_instructions.csv", [core])
    write_csv(tmp_path / "accuracy_x.csv", [{"set": "people", "file": "net.tflite", "fg_iou_per_image": 0.9}])
    return tmp_path


def test_the_page_holds_what_was_measured_and_nothing_that_runs(results):
    text = write_report(results, results / "report.html").read_text()
    for expected in (
        "27.0 ms",
        "40 % of the limit",
        "206",
        "none to light",
        "benchmark roofline",
        "(emulated)",
        "people",
    ):
        assert expected in text
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", text)
    # The front: the fastest, and the more accurate one that is slower; not the one beaten in both.
    caption = text.partition("Nothing measured here")[2].partition("</figcaption>")[0]
    assert "net tflite int8" in caption
    assert "net tflite fp32" not in caption


def test_the_front_is_what_nothing_beats_in_both():
    assert front([(9, 0.9), (8, 0.91), (20, 0.95), (8, 0.8), (30, 0.95)]) == [(8, 0.91), (20, 0.95)]


def test_folders_without_results_and_files_of_others_are_said(tmp_path):
    with pytest.raises(InputError, match="holds no results; measure first"):
        write_report(tmp_path, tmp_path / "r.html")
    write_csv(tmp_path / "latency_1x1.csv", [{"a": 1}])
    with pytest.raises(InputError, match=r"latency_1x1\.csv is not as this version writes it"):
        write_report(tmp_path, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_the_command_says_where_the_page_is(results):
    done = CliRunner().invoke(app, ["benchmark", "report", str(results)])
    assert done.exit_code == 0
    assert (results / "report.html").is_file()


def test_report_and_comparison_need_no_network_library(results):
    code = (
        "import sys\n"
        "for name in ('torch', 'tensorflow', 'timm', 'lightning', 'coremltools'): sys.modules[name] = None\n"
        "from portraitnet.cli.app import app\n"
        "app(['benchmark', *sys.argv[1:]])"
    )
    latency_csv = str(results / "latency_224x224.csv")
    for arguments in (["report", str(results)], ["compare", latency_csv, latency_csv]):
        (results / "latency_224x224_rounds.csv").unlink(missing_ok=True)
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-1000:]
    assert (results / "report.html").is_file()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("width", "height"), [(1200, 900), (390, 844)])
def test_a_browser_shows_it_within_its_width_and_without_errors(results, driver, width, height):
    page_file = write_report(results, results / "report.html")
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    try:
        page = browser.new_page(viewport={"width": width, "height": height})
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append("dialog"))
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".bar").count() == 4
        assert page.locator(".strip i").count() == 7
        widths = page.evaluate("[...document.querySelectorAll('.bar')].map((bar) => bar.getBoundingClientRect().width)")
        assert widths == sorted(widths)
        assert widths[-1] > 3 * widths[0]
        assert said == []
    finally:
        browser.close()
