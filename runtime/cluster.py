"""`run --cluster`: the jobs of one run on many computers, or on all cores of this one, by Ray Data.

Every worker is a process that opens the model once. It writes results as a plain run does, beside their place and then
renamed, so that a file with its own name is finished: when a worker dies, another takes its share and does the rest.
All computers must see the files at the same paths, and have this package installed.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compositing.composite import parse_background
from .errors import InputError, OutputError
from .files import exists
from .notices import LOGGER, notice
from .plan import Job
from .process import Done, Options, do

if TYPE_CHECKING:
    from .segmenter import Segmenter

Opener = Callable[[bool], "Segmenter"]
_SHARE = 32  # jobs that a worker takes at a time
_TRIES = 3  # of a job whose workers die
_MISSING = "--cluster needs Ray: pip install 'portraitnet[ray]'"


def run_on_cluster(
    jobs: Sequence[Job], opener: Opener, options: Options, address: str = "auto", threads: int = 1
) -> Iterator[Done]:
    """Do all jobs, and tell of each when it is done; the order is any.

    `opener` opens the model in a worker, told whether there are videos; it is pickled. `address` is that of a Ray
    cluster, or `auto`: the one that RAY_ADDRESS names, else this computer. A worker takes `threads` cores. Raises
    InputError when there is no Ray or no cluster, and OutputError when results cannot be written.
    """
    if exists(options.background):
        options = replace(options, background=str(Path(options.background).absolute()))
    has_video = any(job.is_moving for job in jobs)
    opener(has_video)  # a model that cannot be opened is told here, before a cluster is at work
    with _connected(address) as ray:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        workers = max(1, min(len(jobs), int(ray.cluster_resources().get("CPU", 1)) // threads))
        shares = max(-(-len(jobs) // _SHARE), min(len(jobs), 4 * workers))
        tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Tries).remote()
        rows = [_row(number, job) for number, job in enumerate(jobs)]
        results = ray.data.from_items(rows, override_num_blocks=shares).map(
            _Worker,
            fn_constructor_args=(opener, has_video, options, tries),
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
            num_cpus=threads,
        )
        for row in results.iter_rows():
            yield _done(jobs[row["number"]], row)


def _row(number: int, job: Job) -> dict[str, Any]:
    """A job as Ray carries it; names as bytes, since not all of them are Unicode."""
    source, target = (os.fsencode(path.absolute()) for path in (job.source, job.target))
    row = {"number": number, "source": source, "target": target, "is_animation": job.is_animation}
    return row | {"before": _state(job)}


def _done(job: Job, row: dict[str, Any]) -> Done:
    for message in row["notices"]:
        notice(message)
    if row["fatal"]:
        raise OutputError(row["error"])
    return Done(job, row["frames"], row["error"])


def _state(job: Job) -> str:
    """Which file stands at the job's place; another one stands there once the job is done."""
    try:
        status = job.first_file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{status.st_ino} {status.st_mtime_ns}"


class _Tries:
    """Counts how often each job was begun: one that kills its workers must not be tried for ever."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def begin(self, number: int) -> int:
        """The number of this try, from 1."""
        self._counts[number] += 1
        return self._counts[number]


class _Worker:
    """Does jobs in a process of the cluster."""

    def __init__(self, opener: Opener, has_video: bool, options: Options, tries: Any) -> None:
        self._opener, self._has_video, self._options, self._tries = opener, has_video, options, tries
        self._segmenter: Segmenter | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        source, target = (Path(os.fsdecode(row[name])) for name in ("source", "target"))
        job, result = Job(source, target, row["is_animation"]), {"frames": 1, "error": "", "fatal": False}
        with _heard() as notices:
            if _state(job) == row["before"]:  # else a worker that died since had finished it
                try:
                    done = self._do(job, row["number"])
                    result |= {"frames": done.frames, "error": done.error}
                except InputError as error:  # nothing can be written, or this computer cannot open the model
                    result |= {"error": str(error), "fatal": True}
        return {"number": row["number"], "notices": notices, **result}

    def _do(self, job: Job, number: int) -> Done:
        import ray

        if ray.get(self._tries.begin.remote(number)) > _TRIES:
            return Done(job, error=f"{job.source}: each of {_TRIES} workers that had it died, maybe for want of memory")
        if self._segmenter is None:  # not when it is made, where Ray would try again and again
            self._segmenter = self._opener(self._has_video)
            self._scene = parse_background(self._options.background, self._options.blur_shape)
        return do(job, self._segmenter, self._scene, self._options)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collects the notices of a job, which are told where the run was started."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    LOGGER.addHandler(handler)
    try:
        yield heard
    finally:
        LOGGER.removeHandler(handler)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected; a Ray that was started for this run ends with it."""
    address = (os.environ.get("RAY_ADDRESS") or "local") if address == "auto" else address
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    if address == "local":
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else it listens to the network, on Linux too
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(_MISSING) from error
    if ray.is_initialized():
        yield ray
        return
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    dashboard: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **dashboard)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()
