"""Start-up time and peak memory of a model in a fresh process.

    python -m portraitnet.benchmarks.latency.probe MODEL ENGINE THREADS

Prints one line of JSON. `cold_start` asks fresh processes and takes the median.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ...runtime.errors import InputError

_PATIENCE = 600.0  # seconds; torch's compiler needs one or two minutes
_WARM_RUNS = 5  # after the first, for the peak of memory


def cold_start(path: Path, engine: str, threads: int, processes: int = 3) -> dict[str, float]:
    """Of a fresh process: seconds to import the library, ms to open the model and give the first mask, MB at the peak.

    `import_s`, `cold_start_ms` (open and first inference), `peak_mb` (the whole process), `model_mb` (what of that came
    after the imports). Raises InputError when the process fails.
    """
    command = [sys.executable, "-m", "portraitnet.benchmarks.latency.probe", str(path), engine, str(threads)]
    measured = []
    for _ in range(processes):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{path.name} on {engine} failed in a fresh process: {last[:200]}")
        measured.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {key: statistics.median(one[key] for one in measured) for key in measured[0]}


def peak_megabytes() -> float:
    """Most memory that this process held (MB of resident pages)."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would also count what the parent held when it started this process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3  # bytes on a Mac, else kilobytes


def main() -> None:
    """Measure this very process."""
    path, key, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    start = time.perf_counter()
    import importlib

    import numpy as np

    from .engines import engine_named

    engine = engine_named(key)
    for module in engine.imports:
        importlib.import_module(module)
    imported, before = time.perf_counter(), peak_megabytes()
    backend = engine.open(path, threads)
    picture = np.random.default_rng(0).integers(0, 256, (1, *backend.contract.size, 3), np.uint8)
    backend.run(picture)
    first = time.perf_counter()
    for _ in range(_WARM_RUNS):
        backend.run(picture)
    facts = {
        "import_s": imported - start,
        "cold_start_ms": 1000 * (first - imported),
        "peak_mb": peak_megabytes(),
        "model_mb": peak_megabytes() - before,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
