"""Progress belongs on stderr: what a command prints on stdout is its result, which users pipe into files."""

import ast
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from rich.progress import Progress

import portraitnet
from portraitnet.benchmarks.reporting.table import read_csv
from portraitnet.cli.app import main
from portraitnet.runtime.console import progress_bar
from portraitnet.train.engine.history import History
from portraitnet.train.recipe import RunSpec

ROOT = Path(portraitnet.__file__).parent
PARTS = ("cli", "benchmarks", "export", "train", "runtime")
SOURCES = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]


@pytest.fixture
def terminal(monkeypatch):
    """Bars are drawn although stderr is no terminal here."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")


def test_a_benchmark_prints_its_table_alone_on_stdout(terminal, capfd, monkeypatch):
    roofline = pytest.importorskip("portraitnet.benchmarks.latency.roofline")
    results = next((ROOT / "benchmarks" / "results").glob("roofline_*.csv"))

    def measured(models, out, threads, runs, progress):
        progress.add_task("layers", total=1)
        return results

    monkeypatch.setattr(roofline, "benchmark_roofline", measured)
    monkeypatch.setattr(sys, "argv", ["portraitnet", "benchmark", "roofline", "nano"])
    with suppress(SystemExit):
        main()
    out, err = capfd.readouterr()
    assert out == f"{roofline.table(read_csv(results))}\n{results}\n"
    assert "\x1b[?25l" in err  # a bar hides the cursor


def test_a_training_run_reports_its_scores_on_stderr(terminal, capfd, tmp_path):
    with History(tmp_path, 0, RunSpec(steps=2)) as history:
        history.step(0, {"loss": 0.5})
        history.scores(1, {"val/fg_iou_per_image": 0.25})
    out, err = capfd.readouterr()
    assert out == ""
    assert "step 1: val/fg_iou_per_image 0.2500" in err
    assert "loss 0.5000" in err


def test_bars_that_are_switched_off_draw_nothing(terminal, capfd):
    with progress_bar(enabled=False) as bar:
        bar.add_task("work", total=1)
    assert capfd.readouterr() == ("", "")


def test_every_bar_and_console_is_on_stderr():
    """A Progress or Console that names no console of ours writes to stdout, rich's default."""
    loose = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if node.func.id == Progress.__name__ and options not in ({"disable": "True"},) and "console" not in options:
                loose.append(f"{path.relative_to(ROOT)}:{node.lineno}")
            if node.func.id == "Console" and options.get("stderr") != "True":
                loose.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert loose == []
