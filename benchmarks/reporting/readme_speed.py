"""The measured tables of docs/benchmarks/speed.md, each from its results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import arm as arm_benchmark
from ..latency import live as live_benchmark
from ..latency import roofline as roofline_benchmark
from ..latency import video as video_benchmark
from ..page import speed as page_benchmark
from .table import latency_markdown, markdown, read_csv

_RUN_AS = {"LiteRT/XNNPACK": ("int8", "fp16"), "onnxruntime": ("fp32",)}  # what people run, by backend


def latency(results: Path) -> str:
    """Latency of the artefacts that people run, one thread."""
    return latency_markdown([row for row in _latencies(results) if row["precision"] in _RUN_AS.get(row["backend"], ())])


def artefacts(results: Path) -> str:
    """Latency of every artefact on every backend, one thread."""
    return latency_markdown(_latencies(results))


def _latencies(results: Path) -> list[dict[str, str]]:
    return [row for row in read_csv(results / "latency_224x224.csv") if row["threads"] == "1"]


def page(results: Path) -> str:
    """The browser page in three engines, beside MediaPipe's web task."""
    return page_benchmark.table(read_csv(results / page_benchmark.CSV))


def border(results: Path) -> str:
    """The same weights with the paper's border and with the open one."""
    files: dict[str, dict[str, float]] = {}
    for row in read_csv(results / "latency_border.csv"):
        files.setdefault(f"{row['format']} {row['precision']}", {})[row["model"]] = float(row["median_ms"])
    rows = [
        {
            "file": name,
            "paper's border, ms": f"{times['paper']:.1f}",
            "open border, ms": f"{times['open']:.1f}",
            "of the time": f"{times['open'] / times['paper']:.2f}",
        }
        for name, times in files.items()
    ]
    return markdown(rows, {key: key for key in rows[0]})


def compiled_model(results: Path) -> str:
    """LiteRT's two interfaces on the CPU, with the same files."""
    files: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in read_csv(results / "latency_compiled_model.csv"):
        key = (row["model"], row["precision"], row["threads"])
        files.setdefault(key, {})[row["backend"]] = float(row["median_ms"])
    rows = [
        {
            "file": f"{name} {precision}",
            "threads": threads,
            "Interpreter, ms": f"{times['LiteRT/XNNPACK']:.1f}",
            "CompiledModel, ms": f"{times['LiteRT CompiledModel']:.1f}",
            "of the time": f"{times['LiteRT CompiledModel'] / times['LiteRT/XNNPACK']:.2f}",
        }
        for (name, precision, threads), times in files.items()
    ]
    return markdown(rows, {key: key for key in rows[0]})


def avx2(results: Path) -> str:
    """The same of TFLite files, on a processor without int8 dot products."""
    rows = read_csv(results / "latency_224x224_avx2.csv")
    return latency_markdown([row for row in rows if row["threads"] == "1" and row["format"] == "tflite"])


def speed(results: Path) -> str:
    """The ratios and rates that the project promises, from their results files; each with its machine."""
    latencies, live_rows = read_csv(results / "latency_224x224.csv"), read_csv(results / "live_720p.csv")
    videos, training_rows = read_csv(results / "video_720p.csv"), read_csv(results / "training_portraitnet_mobile.csv")
    timed = {
        r["precision"]: float(r["median_ms"])
        for r in latencies
        if r["threads"] == "1" and r["model"] == "portraitnet-mobile" and r["backend"] == "LiteRT/XNNPACK"
    }
    lines = [
        _line(
            "TFLite int8 against float32, 1 thread, median",
            f"{timed['int8'] / timed['fp32']:.2f}x",
            "latency BUNDLE --rivals",
            latencies,
        )
    ]
    for row in live_rows:
        if row["threads"].startswith("live, 1"):
            name = row["contestant"].removeprefix("portraitnet-")
            figure = (
                f"{float(row['frames_per_second']):.0f} frames/s, {float(row['cpu_ms_per_frame']):.1f} ms of CPU each"
            )
            lines.append(_line(f"`webcam` at 720p, {name}, as fast as it goes", figure, "live", [row]))
    for line in video_benchmark.medians(videos):
        model = line["model"].removeprefix("portraitnet-")
        what = f"`run` on a 1280x720 clip, {model}, background {line['background']}" if line["background"] else model
        figure = f"{line['frames/s']} frames/s"
        figure += f", {line['CPU ms per frame']} ms of CPU each" if line["CPU ms per frame"] else ""
        what += f", encoder {line['encoder']}" if line["encoder"] else ""
        lines.append(_line(what, figure, "video", videos))
    for row in read_csv(results / "startup.csv"):
        lines.append(_line(f"`{row['command']}`", f"{float(row['median_s']):.2f} s", "startup", [row]))
    fed = next(row for row in training_rows if row["what"] == "training")
    what = f"training on {fed['device']}, batch {fed['batch']} at 224x224; of the network alone on one batch"
    figure = f"{float(fed['images_per_second']):.0f} images/s; {float(fed['of_the_network_alone']):.2f}x"
    options = f"run.batch={fed['batch']} run.precision={fed['precision']}"
    lines.append(_line(what, figure, f"training --data DIR {options}", training_rows))
    return markdown(lines, {key: key for key in lines[0]})


def _line(what: str, figure: str, command: str, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    machine = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    return {"what": what, "measured": figure, "command": f"`portraitnet benchmark {command}`", "machine": machine}


def live(results: Path) -> str:
    """Pipelines at 720p beside MediaPipe's: rate, processor time, delay, memory."""
    return live_benchmark.table(read_csv(results / "live_720p.csv"))


def arm(results: Path) -> str:
    """Instructions of one inference on emulated ARM cores."""
    return arm_benchmark.table(read_csv(results / "arm_instructions.csv"))


def roofline(results: Path) -> str:
    """The slowest layers of the shipped int8 model, and the whole of it."""
    return roofline_benchmark.table(read_csv(results / "roofline_mobile_int8.csv"))
