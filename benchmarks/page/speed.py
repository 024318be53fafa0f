"""`benchmark page`: frames/s and milliseconds by stage of the page, in each engine, beside MediaPipe's web task."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.errors import InputError
from ...runtime.notices import notice
from ...runtime.web.server import PageServer, Resource, model_address, page_files, resources
from ..reporting.table import formatted, provenance, write_csv
from .browsers import ENGINES, missing

if TYPE_CHECKING:
    from rich.progress import Progress

DIST = Path(__file__).parent / "dist"
SIZES = ((480, 640), (720, 1280))
CSV = "page.csv"
_COLUMNS = {
    "engine": "{engine}",
    "contestant": "{contestant}",
    "size": "{size}",
    "frames/s": "{frames_per_second:.1f}",
    "model ms": "{model_ms:.0f}",
    "drawing ms": "{compose_ms:.0f}",
    "frames of MediaPipe's": "{ratio}",
    "runs as": "{runs_as}",
}


def benchmark_page(
    models: Sequence[Path],
    out: Path,
    engines: Sequence[str],
    peer: Path | None,
    rounds: int,
    frames: int,
    progress: Progress,
) -> Path:
    """Time `rounds` of `frames` frames each, the contestants taking turns. Writes page.csv.

    `peer` is a .tflite of MediaPipe's selfie segmentation. Raises InputError when the page is not built, an engine is
    not here, or a contestant does not run.
    """
    for name in engines:
        if name not in ENGINES:
            raise InputError(f"engine {name!r} is none of {', '.join(ENGINES)}")
        if reason := missing(name):
            raise InputError(f"{reason}: install it, or name other --engines")
    if not (DIST / "speed" / "index.html").is_file():
        raise InputError("the page that is timed is not built: run `make web-speed` in a checkout (it needs Node.js)")
    site = page_files("speed", DIST)
    listed = json.loads(resources(list(models), DIST, "speed")["models.json"].content)
    for path, facts in zip(models, listed, strict=True):
        site[facts["url"]] = Resource("application/octet-stream", path, hashed=True)
    plan: dict[str, object] = {"models": listed, "peer": None, "rounds": rounds, "frames": frames}
    if peer:
        site[model_address(peer)] = Resource("application/octet-stream", peer, hashed=True)
        plan["peer"] = {"name": peer.stem, "url": model_address(peer)}
    rows: list[dict[str, object]] = []
    task = progress.add_task("engines", total=len(engines) * len(SIZES))
    with _serving(PageServer(site)) as server:
        for name in engines:
            for height, width in SIZES:
                rows += _time(name, server.url, {**plan, "height": height, "width": width})
                progress.advance(task)
    shared = {"rounds": rounds, "frames_per_round": frames, **provenance()}
    write_csv(out / CSV, [{**row, **shared} for row in rows])
    return out / CSV


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """The results as Markdown."""
    ratios = [f"{float(row['times_mediapipe']):.2f}x" if row["times_mediapipe"] else "–" for row in rows]
    return formatted([{**row, "ratio": ratio} for row, ratio in zip(rows, ratios, strict=True)], _COLUMNS)


def _time(engine: str, url: str, plan: dict[str, object]) -> list[dict[str, object]]:
    """Rows of one engine at one size, each with the median of its rounds."""
    browser = ENGINES[engine]()
    try:
        browser.open(url)
        browser.wait("window.speed")
        found = browser.evaluate(f"window.speed.run({json.dumps(plan)})")
    finally:
        browser.close()
    for one in found["refused"]:
        what = f"{engine}: {one['label']} does not run: {one['error'].partition(' === ')[0]}"
        if one["label"] != "MediaPipe":
            raise InputError(what)
        notice(what)
    rows: list[dict[str, object]] = []
    for one in found["contestants"]:
        stages = {name: statistics.median(read[name] for read in one["rounds"]) for name in one["rounds"][0]}
        rows.append(
            {
                "engine": engine,
                "contestant": one["label"],
                "size": f"{plan['width']}x{plan['height']}",
                "frames_per_second": 1000 / stages["frame"],
                "model_ms": stages["model"],
                "compose_ms": stages["compose"],
                "frame_ms": stages["frame"],
                "runs_as": one["detail"],
                "browser": found["agent"],
                "times_mediapipe": "",
            }
        )
    last = rows[-1]
    if str(last["contestant"]).startswith("MediaPipe"):
        for row in rows:
            row["times_mediapipe"] = float(str(last["frame_ms"])) / float(str(row["frame_ms"]))
    return rows


@contextmanager
def _serving(server: PageServer) -> Iterator[PageServer]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
