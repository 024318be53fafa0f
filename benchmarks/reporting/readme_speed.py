"""The measured tables of docs/benchmarks/speed.md, each from its results file."""

from __future__ import annotations

from pathlib import Path

from ..latency.roofline import slowest
from .table import formatted, latency_markdown, markdown, read_csv

_RUN_AS = {"LiteRT/XNNPACK": ("int8", "fp16"), "onnxruntime": ("fp32",)}  # what people run, by backend


def latency(results: Path) -> str:
    """Latency of the artefacts that people run, one thread."""
    return latency_markdown([row for row in _latencies(results) if row["precision"] in _RUN_AS.get(row["backend"], ())])


def artefacts(results: Path) -> str:
    """Latency of every artefact on every backend, one thread."""
    return latency_markdown(_latencies(results))


def _latencies(results: Path) -> list[dict[str, str]]:
    return [row for row in read_csv(results / "latency_224x224.csv") if row["threads"] == "1"]


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


def avx2(results: Path) -> str:
    """The same of TFLite files, on a processor without int8 dot products."""
    rows = read_csv(results / "latency_224x224_avx2.csv")
    return latency_markdown([row for row in rows if row["threads"] == "1" and row["format"] == "tflite"])


def speed(results: Path) -> str:
    """The ratios and rates that the project promises, from their results files."""
    timed = {
        (r["format"], r["precision"]): float(r["median_ms"])
        for r in read_csv(results / "latency_224x224.csv")
        if r["threads"] == "1" and r["model"] == "portraitnet-mobile" and r["backend"] == "LiteRT/XNNPACK"
    }
    video: dict[str, list[float]] = {r["background"]: [] for r in read_csv(results / "video_720p.csv")}
    for row in read_csv(results / "video_720p.csv"):
        video[row["background"]].append(float(row["frames_per_second"]))
    start = {r["command"]: float(r["median_s"]) for r in read_csv(results / "startup.csv")}
    training = {r["what"]: r for r in read_csv(results / "training_portraitnet_mobile.csv")}
    fed = training["training"]
    middle = {name: sorted(rates)[len(rates) // 2] for name, rates in video.items()}
    webcam = [row for row in read_csv(results / "live_720p.csv") if row["threads"] == "2"]
    rows = [
        {
            "what": "TFLite int8 against float32, 1 thread, median",
            "figure": f"{timed['tflite', 'int8'] / timed['tflite', 'fp32']:.2f}x",
            "command": "`portraitnet benchmark latency BUNDLE --rivals`",
        },
        *(
            {
                "what": f"live at 720p, {row['contestant'].removeprefix('portraitnet-')}, `webcam --threads 2`",
                "figure": f"{float(row['frames_per_second']):.0f} frames/s",
                "command": "`portraitnet benchmark live` ([details](#live-at-720p))",
            }
            for row in webcam
        ),
        *(
            {
                "what": f"`run` on a 1280x720 clip, 2 threads, background {name}",
                "figure": f"{rate:.0f} frames/s",
                "command": "`portraitnet benchmark video`",
            }
            for name, rate in middle.items()
        ),
        *(
            {"what": f"`{name}`", "figure": f"{seconds:.2f} s", "command": "`portraitnet benchmark startup`"}
            for name, seconds in start.items()
        ),
    ]
    rows.append(
        {
            "what": f"training on {fed['device']}, batch {fed['batch']} at 224x224; of the network alone on one batch",
            "figure": f"{float(fed['images_per_second']):.0f} images/s; {float(fed['of_the_network_alone']):.2f}x",
            "command": "`portraitnet benchmark training --data DIR`",
        }
    )
    return markdown(rows, {"what": "what", "figure": "measured", "command": "command"})


def live(results: Path) -> str:
    """The live pipeline at 720p: rate, delay, memory; and compositing by itself."""
    rows, measured = [], read_csv(results / "live_720p.csv")
    for row in measured:
        if row["delay_ms"]:
            rows.append(
                {
                    "model": row["contestant"],
                    "threads": row["threads"],
                    "frames/s": f"{float(row['frames_per_second']):.0f}",
                    "delay at 30 frames/s": f"{float(row['delay_ms']):.0f} ms",
                    "memory grew by": f"{float(row['growth_mb']):.1f} MB in {row['soak_frames']} frames",
                }
            )
    composed, copy = (float(measured[0][key]) for key in ("laying_on_ms", "copy_of_as_many_bytes_ms"))
    return (
        f"{markdown(rows, {key: key for key in rows[0]})}\n\n"
        f"Compositing by itself: {composed:.2f} ms; a copy of as many bytes: {copy:.2f} ms ({composed / copy:.2f}x)."
    )


def arm(results: Path) -> str:
    """Instructions of one inference on emulated ARM cores."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / "arm_instructions.csv"):
        name = f"{row['model']}{' *' if row['weights'] == 'random' else ''}"
        shown = table.setdefault(name, {"model, int8": name, "M MACs": f"{int(row['macs']) / 1e6:.0f}"})
        shown[f"{row['core']}, M instructions"] = f"{float(row['million_instructions']):.0f}"
        shown["differs from x86 by"] = f"{float(row['largest_difference']):.0f}"
    return markdown(list(table.values()), {key: key for key in next(iter(table.values()))})


def roofline(results: Path) -> str:
    """The slowest layers of the shipped int8 model, and the whole of it."""
    rows = read_csv(results / "roofline_mobile_int8.csv")
    return formatted(
        [*slowest(rows), rows[-1]],
        {
            "layer": "{layer}",
            "ms": "{median_ms:.2f}",
            "M MACs": "{million_macs:.1f}",
            "share of its limit": "{share_of_limit:.2f}",
            "limit": "{bound}",
        },
    )
