"""Energy of the processor's packages, where the machine measures it (RAPL, in Linux's powercap). No estimates."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_BURST = 1.0  # seconds; the counters move about every millisecond, so one inference alone cannot be read


class EnergyMeter:
    """Counts joules of all packages. `readable` says whether this machine, and this user, may."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        # Packages only (intel-rapl:0, :1); their parts (intel-rapl:0:1) are inside them.
        zones = sorted(zone for zone in powercap.glob("intel-rapl:*") if zone.name.count(":") == 1)
        self._zones = [(zone / "energy_uj", self._number(zone / "max_energy_range_uj")) for zone in zones]
        self._zones = [(path, limit) for path, limit in self._zones if self._number(path) is not None]

    @property
    def readable(self) -> bool:
        return bool(self._zones)

    def joules(self, action: Callable[[], object]) -> float:
        """Joules while `action` ran; counters that began again at zero are followed."""
        before = [self._number(path) or 0 for path, _ in self._zones]
        action()
        used = 0
        for (path, limit), start in zip(self._zones, before, strict=True):
            end = self._number(path) or 0
            used += end - start + (limit or 0 if end < start else 0)
        return used / 1e6

    def millijoules_per_call(self, call: Callable[[], object], seconds: float = _BURST) -> float:
        """Of one call among many in a row; everything else that the packages did meanwhile is in it."""
        calls = 0

        def burst() -> None:
            nonlocal calls
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                call()
                calls += 1

        return 1000 * self.joules(burst) / calls

    @staticmethod
    def _number(path: Path) -> int | None:
        try:
            return int(path.read_text())
        except (OSError, ValueError):  # root alone may read them on many machines
            return None
