"""`portraitnet phone`: latency on phones, by their browser, by adb, or from files that they wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import InputError
from .run import comma_separated

phone_app = typer.Typer(
    no_args_is_help=True,
    help="Latency on phones: `web` (any phone's browser), `adb` (Android, by cable), `aihub` (Qualcomm's racks), "
    "`import` (files they wrote).",
)
Out = Annotated[Path, typer.Option(help="Folder whose phones.csv the results join.")]


@phone_app.command("web")
def web_command(
    models: Annotated[
        list[Path] | None, typer.Argument(help=".tflite and .onnx files, or mobile, which ships (both formats).")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Counted rounds.")] = 50,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8766,
    lan: Annotated[
        bool, typer.Option(help="For phones on this network, by https; --no-lan: for this computer's browser alone.")
    ] = True,
    out: Out = Path("benchmark-results"),
) -> None:
    """Serve a page that times models in a phone's browser; scan the QR code, press Start, and the results come back.

    The page and what it may send are behind a one-time secret in the address. In a checkout `make web` builds it.
    """
    import secrets

    from ..benchmarks.phone.readings import join
    from ..benchmarks.phone.web import RESULTS, Collector, phone_site
    from ..runtime.backends import find_model
    from ..runtime.console import console
    from ..runtime.web.lan import doorway, serve
    from ..runtime.web.server import PageServer

    if models:
        files = [find_model(model) for model in models]
    else:
        shipped = find_model("mobile")
        files = [shipped, shipped.with_suffix(".onnx")]
    site, served = phone_site(files, runs)

    def keep(rows: list[dict[str, object]]) -> None:
        path = join(out, rows)
        console.print(f"{rows[0]['machine']}: {len(rows)} results -> {path}")
        for row in rows:
            console.print(f"  {row['model']} {row['precision']} on {row['backend']}, threads {row['threads']}:", end="")
            console.print(f" {row['median_ms']:.1f} ms")

    with doorway(lan) as (address, certificate):
        receivers = {RESULTS: Collector(served, keep)}
        serve(PageServer(site, address, port, secrets.token_urlsafe(12), certificate, receivers), lan)


@phone_app.command("adb")
def adb_command(
    models: Annotated[list[Path] | None, typer.Argument(help=".tflite files, or mobile, which ships.")] = None,
    tool: Annotated[
        Path | None, typer.Option(help="LiteRT's benchmark_model for Android; else as it lies in the cache.")
    ] = None,
    on: Annotated[str, typer.Option(help="What to time: cpu, gpu, npu.")] = "cpu,gpu",
    threads: Annotated[str, typer.Option(help="Thread counts of the CPU.")] = "1,2,4",
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="Counted inferences of one turn.")] = 50,
    turns: Annotated[int, typer.Option(min=1, max=100, help="Turns of each contestant; the median turn is told.")] = 3,
    cool_down: Annotated[float, typer.Option(min=0, help="Seconds of rest before each turn.")] = 5.0,
    sustained: Annotated[
        float,
        typer.Option(min=0, max=600, help="Minutes that each contestant runs on: throttling, steady rate."),
    ] = 0.0,
    npu_libraries: Annotated[
        Path | None, typer.Option(help="Folder of the NPU vendor's libraries and LiteRT's dispatch library.")
    ] = None,
    serial: Annotated[list[str] | None, typer.Option(help="Devices by serial number; all that are ready.")] = None,
    adb: Annotated[Path | None, typer.Option(help="The adb program; else as found on the path.")] = None,
    out: Out = Path("benchmark-results"),
) -> None:
    """Time .tflite files on Android devices by cable: CPU, GPU and NPU, with heat, clocks and delegate residency.

    Several devices run side by side. GPU and NPU must take the whole network: one that refuses is told as such, and no
    time is recorded. The time to the first result is the column cold_start_ms.
    """
    from ..benchmarks.phone.adb import Plan, benchmark_devices
    from ..benchmarks.phone.device import Adb
    from ..runtime.backends import find_model
    from ..runtime.console import progress_bar

    counts = tuple(int(t) for t in comma_separated(threads) if t.isdigit() and 0 < int(t) <= 64)
    if not counts:
        raise InputError(f"threads {threads!r}: write counts such as 1,2,4")
    files = [find_model(model) for model in models or [Path("mobile")]]
    plan = Plan(tuple(files), tuple(comma_separated(on)), counts, runs, turns, cool_down, sustained, npu_libraries)
    with progress_bar() as progress:
        outcome = benchmark_devices(Adb.find(adb), plan, out, tool, serial or [], progress)
    for line in outcome.problems:
        print(f"note: {line}")
    if outcome.path is None:
        raise InputError("no device gave a result; see the notes above")
    print(f"{outcome.results} results: {outcome.path}")
    if outcome.sustained:
        print(f"sustained: {outcome.sustained}")


@phone_app.command("aihub")
def aihub_command(
    devices: Annotated[str, typer.Option(help="AI Hub's phones by name: 'Samsung Galaxy S25,Google Pixel 9'.")],
    models: Annotated[list[Path] | None, typer.Argument(help=".tflite or .onnx files, or mobile, which ships.")] = None,
    on: Annotated[str, typer.Option(help="What may run the model: all, cpu, gpu, npu.")] = "all",
    out: Out = Path("benchmark-results"),
) -> None:
    """Time models on phones in Qualcomm's racks, with your account there. The models are uploaded to Qualcomm.

    Needs pip install 'portraitnet[aihub]' and your token: qai-hub configure --api_token TOKEN. The result says which
    processor ran how many of the operators.
    """
    from ..benchmarks.phone.aihub_jobs import find_devices, open_client, time_on_hub
    from ..benchmarks.phone.readings import join
    from ..runtime.backends import find_model
    from ..runtime.console import console

    client = open_client()
    files = [find_model(model) for model in models or [Path("mobile")]]
    phones = find_devices(client, comma_separated(devices))
    problems: list[str] = []
    count = 0
    with console.status("waiting for AI Hub's phones"):
        for row in time_on_hub(client, files, phones, on, problems.append):
            path = join(out, [row])
            count += 1
            console.print(f"{row['machine']}: {row['model']} {row['backend']} {float(str(row['median_ms'])):.2f} ms")
    for line in problems:
        print(f"note: {line}")
    if not count:
        raise InputError("no job gave a result; see the notes above")
    print(f"{count} results: {path}")


@phone_app.command("import")
def import_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="The app's JSON, a latency CSV, AI Hub's perf.yaml, LiteRT-CLI's log, Xcode's report."),
    ],
    device: Annotated[str, typer.Option(help="Device name, for files that do not tell (Xcode's, LiteRT-CLI's).")] = "",
    model: Annotated[str, typer.Option(help="Model name, for files that do not tell (Xcode's, LiteRT-CLI's).")] = "",
    out: Out = Path("benchmark-results"),
) -> None:
    """Put results that phones or other computers wrote into the same table."""
    from ..benchmarks.phone.imports import read_results, read_sustained
    from ..benchmarks.phone.readings import join
    from ..benchmarks.phone.sustained import join_sustained

    rows = [row for file in files for row in read_results(file, device, model)]
    stretches = [row for file in files for row in read_sustained(file)]
    print(f"{len(rows)} results: {join(out, rows)}")
    if stretches:
        print(f"{len(stretches)} stretches of sustained runs: {join_sustained(out, stretches)}")


@phone_app.command("check")
def check_command(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of contributed CSVs; benchmarks/results/phones unless given.")
    ] = None,
) -> None:
    """Check files of measured phones before they are contributed, and print their table."""
    from ..benchmarks.phone.contributions import CONTRIBUTED, check_contributions, phones_table

    rows = check_contributions(folder or CONTRIBUTED)
    print(phones_table(rows))
