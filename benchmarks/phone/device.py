"""Android devices by cable: the adb program, what is connected, and LiteRT's tool for them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.caches import cache_folder
from ...runtime.errors import InputError
from .readings import plain_text

PATIENCE = 30.0  # seconds that a question may take
_STATES = {
    "unauthorized": "allow USB debugging on its screen, then try again",
    "offline": "it does not answer: reconnect the cable, or restart adb (adb kill-server)",
    "no permissions": "this user may not open the USB device (udev rules; see `adb devices`)",
    "recovery": "it is in recovery mode",
}


@dataclass(frozen=True)
class Device:
    """A device that is ready: its serial number, its name for tables, its processor's ABI, its system."""

    serial: str
    name: str
    abi: str
    system: str


class Adb:
    """The adb program. Its failures are InputErrors with adb's own line."""

    def __init__(self, program: str) -> None:
        self.program = program

    @classmethod
    def find(cls, given: Path | None) -> Adb:
        """The program as given, or on the path."""
        found = shutil.which(str(given or "adb"))
        if not found:
            raise InputError(
                f"{given or 'adb'} is not there; it comes with Android's platform-tools (Debian: apt-get install adb)"
            )
        return cls(found)

    def __call__(self, *arguments: str, patience: float = PATIENCE) -> str:
        """Run adb with these arguments; its standard output."""
        try:
            done = subprocess.run([self.program, *arguments], capture_output=True, timeout=patience)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"adb {arguments[-1][:60]}: no answer within {patience:.0f} s") from error
        except OSError as error:
            raise InputError(f"{self.program} cannot be run: {error.strerror}") from error
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            lines = [*done.stderr.decode(errors="replace").splitlines(), *said.splitlines()]
            output = [line.strip() for line in lines if line.strip()]
            telling = [
                line for line in output if re.search(r"error|failed|denied|no space|not found|killed", line, re.I)
            ]
            raise InputError(plain_text((telling or output or [f"exit code {done.returncode}"])[0], 400))
        return said

    def devices(self, wanted: Sequence[str]) -> tuple[list[Device], list[str]]:
        """Devices that are ready (those of `wanted` serials, else all), and what stands against the others."""
        ready, problems, seen = [], [], set()
        # What comes before is the daemon's start.
        _, _, listing = self("devices", "-l").partition("List of devices attached")
        for line in listing.splitlines():
            found = re.match(r"(\S+)\s+(no permissions|\S+)", line)
            if not found or line.startswith("*"):
                continue
            serial, state = found.groups()
            seen.add(serial)
            if wanted and serial not in wanted:
                continue
            if state == "device":
                try:
                    ready.append(self._describe(serial))
                except InputError as error:
                    problems.append(f"{serial}: {error}")
            else:
                problems.append(f"{serial} is {state}: {_STATES.get(state, 'it is not ready')}")
        problems += [f"{serial} is not connected" for serial in wanted if serial not in seen]
        return ready, problems

    def _describe(self, serial: str) -> Device:
        def property_of(name: str) -> str:
            return plain_text(self("-s", serial, "shell", "getprop", name), 60)

        maker, model = property_of("ro.product.manufacturer"), property_of("ro.product.model")
        chip = property_of("ro.soc.model")
        name = model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()
        system = f"Android {property_of('ro.build.version.release')}"
        return Device(serial, f"{name} ({chip})" if chip else name, property_of("ro.product.cpu.abi"), system)


def tool_for(abi: str, given: Path | None) -> Path:
    """LiteRT's benchmark_model for this ABI: as given, or in the cache. Raises InputError that says how to get it."""
    cache = cache_folder("benchmark_model")
    path = given or cache / abi
    if not path.is_file():
        raise InputError(
            f"LiteRT's benchmark_model for {abi} is not at {path}. LiteRT's documentation (Performance measurement) "
            "links ready-made ones (android_aarch64 is for arm64-v8a), or build it: bazel build -c opt "
            "--config=android_arm64 //tensorflow/lite/tools/benchmark:benchmark_model. Or name it with --tool"
        )
    return path
