"""Times core's own work on a frame (all but the model) on this computer's JVM, into benchmarks/results.

    python tests/android/benchmark_cpu_path.py

What an app without OpenGL would spend; a phone's processor and runtime are others. `processor_ms` is the processor
time of all threads together, per frame; four threads on free cores take a quarter of it. `median_ms` is the time on the
clock, which means something only where `load` (running programs, the average of the minute before that row) is small.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).parents[2]
CORE = ROOT / "android_demo" / "core" / "src"
OUT = ROOT / "benchmarks" / "results" / "android_cpu_path.csv"
FRAMES, THREADS = 40, (1, 4)


def main() -> None:
    from portraitnet.benchmarks.reporting.table import provenance

    catalogue = tomllib.loads((ROOT / "android_demo" / "gradle" / "libs.versions.toml").read_text())
    version = catalogue["versions"]["kotlin"]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "portraitnet"
    home, json = cache / f"kotlin-{version}" / "package", "/usr/share/java/com.android.json.jar"
    sources = [*(CORE / "main").rglob("*.kt"), next((CORE / "test").rglob("CpuPathBenchmark.kt"))]
    with tempfile.TemporaryDirectory() as scratch:
        jar = f"{scratch}/core.jar"
        command = [home / "bin" / "kotlinc", "-nowarn", "-jvm-target", "11", "-cp", json, "-d", jar, *sources]
        subprocess.run([*map(str, command)], check=True)
        classes = os.pathsep.join([jar, str(home / "lib" / "kotlin-stdlib.jar"), json])
        command = ["java", "-cp", classes, "portraitnet.core.CpuPathBenchmarkKt", FRAMES, *THREADS]
        rows = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout.splitlines()
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()[0].replace('"', "")
    machine = f'"{provenance()["machine"]}, {os.cpu_count()} cores; {java}; Kotlin {version}"'
    OUT.write_text("\n".join([f"{rows[0]},machine", *(f"{row},{machine}" for row in rows[1:])]) + "\n")
    sys.stdout.write(OUT.read_text())


if __name__ == "__main__":
    main()
