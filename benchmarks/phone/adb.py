"""`portraitnet phone adb`: LiteRT's own benchmark_model on Android devices, by cable.

Every contestant has several turns, the contestants in rotation, with rest between them; each result is written as soon
as it is known, so a cable that is pulled costs only what was under way. GPU and NPU take the whole network or give no
figure. With `sustained`, each contestant then runs on for minutes, which shows what heat does to its rate.
"""

from __future__ import annotations

import datetime
import re
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from ...export.models import precision_of
from ...runtime.backends import open_backend
from ...runtime.errors import InputError
from ...runtime.files import bytes_of
from ..latency.timing import IQR_OF_NORMAL
from ..reporting.table import model_columns
from .device import PATIENCE, Adb, Device, tool_for
from .readings import checked_row, join
from .sustained import STRETCH, Stretch, join_sustained, summary
from .tool_output import ToolOutput, read_tool_output

PLACES = ("cpu", "gpu", "npu")
_LABELS = {"cpu": "LiteRT CPU (XNNPACK)", "gpu": "LiteRT GPU", "npu": "LiteRT NPU"}
_WHOLLY = "--use_cpu=false --require_full_delegation=true"
_HEAT = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_FOLDER = "/data/local/tmp/portraitnet-benchmark"
_LONG = 900.0  # seconds that a turn may take, or a push
_HOT_WAIT = 120.0  # at most, for a phone that says it throttles


@dataclass(frozen=True)
class Plan:
    """What is timed on each device.

    `cool_down`: seconds of rest before each turn. `sustained`: minutes that each contestant runs on after its turns.
    `npu_libraries`: a folder with the vendor's libraries and LiteRT's dispatch and compiler plug-ins for them.
    """

    models: tuple[Path, ...]
    places: tuple[str, ...]
    threads: tuple[int, ...]
    runs: int = 50
    turns: int = 3
    cool_down: float = 5.0
    sustained: float = 0.0
    npu_libraries: Path | None = None

    def __post_init__(self) -> None:
        unknown = [place for place in self.places if place not in PLACES]
        if unknown or not self.places:
            raise InputError(f"--on {', '.join(unknown) or '(nothing)'}: choose from {', '.join(PLACES)}")
        if "npu" in self.places and (self.npu_libraries is None or not self.npu_libraries.is_dir()):
            raise InputError(
                "the NPU needs its vendor's libraries: --npu-libraries FOLDER with LiteRT's libLiteRtDispatch_*.so and "
                "the vendor's runtime (Qualcomm: QAIRT; MediaTek: NeuroPilot), or leave npu out of --on"
            )
        wrong = [path for path in self.models if path.suffix != ".tflite" or not path.is_file()]
        if wrong or not self.models:
            raise InputError(f"{wrong[0] if wrong else 'no model'} is no .tflite file; benchmark_model runs those")


@dataclass
class Outcome:
    """What came of it: results written to `path` (None: none), and what did not work, a line each."""

    path: Path | None = None
    sustained: Path | None = None
    results: int = 0
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, path: Path, sustained: bool = False) -> None:
        """One more result; devices call this side by side."""
        with self.lock:
            if sustained:
                self.sustained = path
            else:
                self.path, self.results = path, self.results + 1


def benchmark_devices(
    adb: Adb, plan: Plan, out: Path, tool: Path | None, serials: Sequence[str], progress: Progress
) -> Outcome:
    """Run the plan on all ready devices side by side; results join OUT/phones.csv as they come."""
    devices, problems = adb.devices(serials)
    if not devices:
        why = "; ".join(problems) or "connect one by cable and switch on USB debugging in its developer options"
        raise InputError(f"no Android device is ready: {why}")
    outcome, stop = Outcome(problems=problems), threading.Event()
    with ThreadPoolExecutor(len(devices)) as pool:
        sessions = [_Session(adb, device, plan, out, outcome, progress, stop) for device in devices]
        futures = [pool.submit(session.run, tool) for session in sessions]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()  # the others end after the turn they are in
            raise
    return outcome


@dataclass(eq=False)
class _Contestant:
    """One model in one place of one device, with the output of its turns, and heat and clocks around each."""

    model: Path
    place: str
    threads: int
    turns: list[ToolOutput] = field(default_factory=list)
    heats: list[str] = field(default_factory=list)
    clocks: list[str] = field(default_factory=list)
    ended: bool = False  # it failed, or its result is written
    failed: bool = False

    def label(self) -> str:
        where = f"CPU (threads: {self.threads})" if self.place == "cpu" else self.place.upper()
        return f"{self.model.name} on {where}"


class _Session:
    """One device through the whole plan, in a thread of its own."""

    def __init__(
        self, adb: Adb, device: Device, plan: Plan, out: Path, outcome: Outcome, bar: Progress, stop: threading.Event
    ) -> None:
        self.adb, self.device, self.plan, self.out = adb, device, plan, out
        self.outcome, self.bar, self.stop = outcome, bar, stop

    def run(self, tool: Path | None) -> None:
        """Push, time, write, tidy up; what fails is noted, not raised."""
        try:
            self._push(tool_for(self.device.abi, tool))
            self._sustain([one for one in self._time() if one.turns and not one.failed])
        except InputError as error:
            self._note(str(error))
        finally:
            try:
                self._shell(f"rm -rf {_FOLDER}")
            except InputError:
                self._note(f"{_FOLDER} could not be removed from it")

    def _push(self, tool: Path) -> None:
        self._shell(f"mkdir -p {_FOLDER}")
        # Names of our own: what a file is called here never reaches the phone's shell.
        for number, model in enumerate(self.plan.models):
            self._adb("push", str(model), f"{_FOLDER}/model-{number}.tflite", patience=_LONG)
        self._adb("push", str(tool), f"{_FOLDER}/benchmark_model", patience=_LONG)
        if "npu" in self.plan.places:
            self._adb("push", str(self.plan.npu_libraries), f"{_FOLDER}/npu", patience=_LONG)
        self._shell(f"chmod 755 {_FOLDER}/benchmark_model")

    def _time(self) -> list[_Contestant]:
        contestants = [
            _Contestant(model, place, threads)
            for model in self.plan.models
            for place in self.plan.places
            for threads in (self.plan.threads if place == "cpu" else (1,))
        ]
        task = self.bar.add_task(self.device.name, total=len(contestants) * self.plan.turns)
        try:
            for turn in range(self.plan.turns):
                for place in range(len(contestants)):
                    one = contestants[(place + turn) % len(contestants)]
                    if not one.ended and not self.stop.is_set():
                        self._turn(one)
                        if turn == self.plan.turns - 1:
                            self._write(one)
                    self.bar.advance(task)
        finally:  # a device that left, or Ctrl-C: what was measured is kept
            for one in contestants:
                self._write(one)
        return contestants

    def _sustain(self, contestants: Sequence[_Contestant]) -> None:
        """Each contestant for the plan's minutes without rest, in stretches whose rows are written as they end."""
        for one in contestants if self.plan.sustained else ():
            self._rest()
            start, stretches = time.monotonic(), []
            while time.monotonic() - start < 60 * self.plan.sustained and not self.stop.is_set():
                output = self._run_tool(one, f"--num_runs=1 --min_secs={STRETCH} --max_secs={2 * STRETCH}")
                second = time.monotonic() - start
                stretches.append(Stretch(second, output.median_ms or output.average_ms, self._heat(), self._clocks()))
                path = join_sustained(self.out, [self._stretch_row(one, stretches[-1])])
                self.outcome.add(path, sustained=True)
            self._note(f"{one.label()}: {summary(stretches)}")

    def _stretch_row(self, one: _Contestant, stretch: Stretch) -> dict[str, object]:
        return {
            "machine": self.device.name,
            "model": open_backend(one.model, 1).contract.name,
            "precision": precision_of(one.model),
            "backend": _LABELS[one.place],
            "threads": one.threads,
            "source": "adb",
            **stretch.row(),
        }

    def _turn(self, one: _Contestant) -> None:
        """One turn; a contestant that fails has no more. Raises InputError when the device itself is gone."""
        one.heats.append(self._rest())
        one.clocks.append(self._clocks())
        try:
            one.turns.append(self._run_tool(one))
        except InputError as error:
            one.failed = True
            self._note(f"{one.label()}: {error}")
            self._adb("get-state")
            self._write(one)
        one.heats.append(self._heat())
        one.clocks.append(self._clocks())

    def _run_tool(self, one: _Contestant, how_long: str = "") -> ToolOutput:
        flags = {
            "cpu": "--use_cpu=true",
            "gpu": f"--use_gpu=true --allow_fp16=true {_WHOLLY}",
            "npu": f"--use_npu=true {_WHOLLY} --dispatch_library_path={_FOLDER}/npu "
            f"--compiler_plugin_library_path={_FOLDER}/npu",
        }[one.place]
        paths = (
            f"LD_LIBRARY_PATH={_FOLDER}/npu:{_FOLDER} ADSP_LIBRARY_PATH={_FOLDER}/npu " if one.place == "npu" else ""
        )
        said = self._shell(
            f"{paths}{_FOLDER}/benchmark_model --graph={_FOLDER}/model-{self.plan.models.index(one.model)}.tflite "
            f"--num_threads={one.threads} {how_long or f'--num_runs={self.plan.runs} --warmup_runs=5'} "
            f"--enable_op_profiling=true --report_peak_memory_footprint=true {flags} 2>&1",
            patience=_LONG,
        )
        output = read_tool_output(said, one.place)
        if output.refused:
            raise InputError(
                f"{one.place.upper()} did not take this model; the tool ran it on the CPU, which is not its time"
            )
        return output

    def _write(self, one: _Contestant) -> None:
        """What is known of a contestant, once."""
        turns, ended, one.ended = one.turns, one.ended, True
        if ended or not turns:
            return
        contract = open_backend(one.model, 1).contract
        middles = [turn.median_ms or turn.average_ms for turn in turns]
        slowest = ", ".join(f"{name} {ms:.2f} ms" for name, ms in turns[0].operators[:3]) or "not stated"
        row = checked_row(
            {
                **model_columns(contract, "tflite", precision_of(one.model), bytes_of(one.model)),
                "backend": _LABELS[one.place],
                "threads": one.threads,
                "residency": turns[0].residency,
                "median_ms": statistics.median(middles),
                # The tool prints a standard deviation, not quartiles: we take those of a normal distribution.
                "iqr_ms": IQR_OF_NORMAL * statistics.median(turn.deviation_ms for turn in turns),
                "runs": sum(turn.runs for turn in turns),
                "cold_start_ms": turns[0].init_ms + turns[0].first_ms,
                "peak_mb": turns[0].peak_mb or "",
                "machine": self.device.name,
                "versions": self.device.system,
                "conditions": f"MHz before {one.clocks[0]}, after {one.clocks[-1]}; slowest: {slowest}",
                "heat_before": one.heats[0],
                "heat_after": one.heats[-1],
                "source": "adb",
                "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            }
        )
        self.outcome.add(join(self.out, [row]))

    def _rest(self) -> str:
        """Cool down: the plan's rest, and longer while the phone says that it throttles. Gives the heat then."""
        end = time.monotonic() + _HOT_WAIT
        self.stop.wait(self.plan.cool_down)
        while (heat := self._heat()) in _HEAT[2:] and time.monotonic() < end and not self.stop.is_set():
            self.stop.wait(max(1.0, self.plan.cool_down))
        return heat

    def _heat(self) -> str:
        """Thermal status as Android reports it (since 10); empty when it does not."""
        try:
            found = re.search(r"Thermal Status: (\d)", self._shell("dumpsys thermalservice"))
        except InputError:
            return ""
        return _HEAT[min(int(found.group(1)), len(_HEAT) - 1)] if found else ""

    def _clocks(self) -> str:
        """Current clock of each core in MHz, as far as the phone lets them be read."""
        try:
            said = self._shell("cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq 2>/dev/null || true")
        except InputError:
            return "not stated"
        return " ".join(f"{int(k) // 1000}" for k in re.findall(r"^\d+$", said, re.MULTILINE)) or "not stated"

    def _shell(self, command: str, patience: float = PATIENCE) -> str:
        return self._adb("shell", command, patience=patience)

    def _adb(self, *arguments: str, patience: float = PATIENCE) -> str:
        return self.adb("-s", self.device.serial, *arguments, patience=patience)

    def _note(self, line: str) -> None:
        self.outcome.problems.append(f"{self.device.name}: {line}")
