"""android_demo/core, compiled and run on this computer's JVM, against what the Python runtime gives."""

from __future__ import annotations

import re

from portraitnet.benchmarks.phone.imports import read_results

from .conftest import DEMO

CORE = DEMO / "core" / "src"


def test_core_agrees_with_the_python_runtime(core_run):
    assert core_run.returncode == 0, core_run.output
    written = sum(len(re.findall(r"@Test", path.read_text())) for path in CORE.glob("test/**/*.kt"))
    assert re.search(rf"OK \({written} tests\)", core_run.output), core_run.output


def test_results_of_the_app_can_be_imported(core_run):
    (row,) = read_results(core_run.golden / "app.json")
    assert (row["model"], row["median_ms"], row["cold_start_ms"], row["peak_mb"]) == ("m", 1.0, 87.5, 120.0)
    assert (row["heat_after"], row["conditions"]) == ("light", "dotprod; battery saver")


def test_core_knows_nothing_of_android():
    for path in CORE.glob("main/**/*.kt"):
        assert not re.search(r"^import (android|androidx|com\.google)\.", path.read_text(), re.MULTILINE), path.name
