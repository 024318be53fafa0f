"""A .tflite on an emulated ARM processor: the same output as here, and how many instructions one inference takes.

Instructions are no milliseconds: nothing here knows of caches, of memory, or of how many instructions a core begins at
once. They show which of two models costs a phone's CPU more when there is no phone, and repeat to about one percent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.progress import Progress

from ...runtime.backends import open_backend
from ...runtime.backends.announcements import allocate
from ...runtime.caches import cache_folder
from ...runtime.errors import InputError
from ..latency.contestants import RIVALS, rival_bundles
from ..reporting.table import markdown, provenance, write_csv

_HERE = Path(__file__).parent
# What Linux reports of a core: LiteRT chooses its kernels by the part's number and by the features.
_COMMON = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
CORES = {
    "cortex-a53": ("0xd03", _COMMON),  # the small core of many phones; no int8 dot product
    "cortex-a76": ("0xd0b", f"{_COMMON} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"),
}


class ArmLinux:
    """The folder that `make arm64` unpacked, and qemu-user to run it. Raises InputError when either is missing."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home or cache_folder("arm64")
        missing = [tool for tool in ("qemu-aarch64", "gcc") if shutil.which(tool) is None]
        if missing:
            raise InputError(f"no {' or '.join(missing)} on this machine (Debian: qemu-user gcc libc6-dev)")
        if not (self.home / "site" / "numpy").is_dir():
            raise InputError(f"no ARM Linux at {self.home}: make arm64 (Debian)")

    def run(self, model: Path, pixels: np.ndarray, core: str, runs: int = 1) -> tuple[np.ndarray, int]:
        """The model's output for its raw input `pixels`, and the instructions of the whole process."""
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            plugin = _compiled(place)
            root = self._root_with(core, place)
            np.save(place / "in.npy", pixels)
            command = ["qemu-aarch64", "-cpu", core, "-L", str(root), "-plugin", str(plugin)]
            inside = {"PYTHONHOME": "/usr", "PYTHONPATH": str(self.home / "site"), "OPENBLAS_NUM_THREADS": "1"}
            command += [part for name, value in inside.items() for part in ("-E", f"{name}={value}")]
            command += [str(self.home / "root/usr/bin/python3.11"), str(_HERE / "guest.py"), str(model.resolve())]
            command += [str(place / "in.npy"), str(runs), str(place / "out.npy")]
            environment = {**os.environ, "PORTRAITNET_COUNT": str(place / "count")}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
            if done.returncode:
                raise InputError(f"{model.name} did not run on an emulated {core}: {done.stderr.strip()[-300:]}")
            return np.load(place / "out.npy"), int((place / "count").read_text())

    def _root_with(self, core: str, place: Path) -> Path:
        """The root as links, with a /proc/cpuinfo of `core`: LiteRT must not see this computer's own."""
        root = place / "root"
        root.mkdir()
        for entry in (self.home / "root").iterdir():
            (root / entry.name).symlink_to(entry)
        part, features = CORES[core]
        lines = [f"Features\t: {features}", "CPU implementer\t: 0x41", "CPU architecture: 8", "CPU variant\t: 0x0"]
        lines += [f"CPU part\t: {part}", "CPU revision\t: 1"]
        (root / "proc").mkdir()
        cores = ["\n".join([f"processor\t: {number}", *lines]) for number in range(4)]
        (root / "proc" / "cpuinfo").write_text("\n\n".join(cores) + "\n")
        return root


def _compiled(place: Path) -> Path:
    plugin = place / "count.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(plugin), str(_HERE / "count.c")], check=True)
    return plugin


def raw_input(model: Path, seed: int = 0) -> np.ndarray:
    """Noise as the model's input tensor takes it."""
    contract = open_backend(model, 1).contract
    pixels = np.random.default_rng(seed).integers(0, 256, (1, contract.height, contract.width, 3), np.uint8)
    return pixels if _takes_bytes(model) else pixels.astype(np.float32)


def raw_output(model: Path, pixels: np.ndarray) -> np.ndarray:
    """What the model's output tensor holds on this computer, by LiteRT with XNNPACK and one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model), num_threads=1)
    allocate(interpreter)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _takes_bytes(model: Path) -> bool:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(model)).get_input_details()[0]["dtype"] == np.uint8


def benchmark_arm(models: Sequence[Path], out: Path, rivals: bool, progress: Progress) -> Path:
    """Instructions of one inference on each core, and whether the output is this computer's; arm_instructions.csv.

    `rivals` adds int8 ResNet18/34/50/101 encoders with random weights.
    """
    linux = ArmLinux()
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        files = [(model, "trained") for model in models]
        if rivals:
            size = open_backend(models[0], 1).contract.size
            folders = stack.enter_context(rival_bundles(size, RIVALS, progress.console.print))
            files += [(path, "random") for folder in folders for path in folder.glob("*-int8.tflite")]
        task = progress.add_task("emulating", total=len(files) * len(CORES))
        for model, weights in files:
            for core in CORES:
                rows.append(_row(linux, model, weights, core))
                progress.advance(task)
    write_csv(out / "arm_instructions.csv", rows)
    return out / "arm_instructions.csv"


def _row(linux: ArmLinux, model: Path, weights: str, core: str) -> dict[str, object]:
    pixels = raw_input(model)
    output, once = linux.run(model, pixels, core)
    _, thrice = linux.run(model, pixels, core, runs=3)
    here = raw_output(model, pixels)
    contract = open_backend(model, 1).contract
    return {
        "model": contract.name,
        "file": model.name,
        "core": core,
        "million_instructions": (thrice - once) / 2e6,
        "largest_difference": float(np.abs(output.astype(np.float64) - here).max()),
        "macs": contract.macs,
        "weights": weights,
        "emulator": "qemu-user",
        **provenance(),
    }


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of arm_instructions.csv as Markdown: a line for each model, a column for each core."""
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        name = f"{row['model']}{' *' if row['weights'] == 'random' else ''}"
        line = lines.setdefault(name, {"model, int8": name, "M MACs": f"{int(row['macs']) / 1e6:.0f}"})
        line[f"{row['core']}, M instructions"] = f"{float(row['million_instructions']):.0f}"
        line["differs from x86 by"] = f"{float(row['largest_difference']):.0f}"
    return markdown(list(lines.values()), {key: key for key in next(iter(lines.values()))})
