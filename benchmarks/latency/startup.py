"""`portraitnet benchmark startup`: seconds until the command line is there, as whole processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..reporting.table import formatted, provenance, write_csv


def benchmark_startup(out: Path, repeats: int = 10) -> Path:
    """Seconds, as whole processes, of `import portraitnet` and of `portraitnet --help`; writes startup.csv."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import portraitnet.runtime": [sys.executable, "-c", "import portraitnet.runtime"],
        "portraitnet --help": [sys.executable, "-m", "portraitnet", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    rows = [
        {"command": name, "median_s": statistics.median(values[1:]), "runs": repeats, **provenance()}
        for name, values in times.items()
    ]
    write_csv(out / "startup.csv", rows)
    return out / "startup.csv"


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of startup.csv as Markdown."""
    return formatted(rows, {"command": "`{command}`", "median s": "{median_s:.2f}", "runs": "{runs:.0f}"})
