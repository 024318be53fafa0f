"""Writes the measured tables of README.md and of benchmarks/README.md from the committed results:
python -m portraitnet.benchmarks.readme"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..runtime.errors import InputError
from ..runtime.files import write_text
from .roofline import slowest
from .table import latency_markdown, markdown, read_csv

_RUN_AS = {"LiteRT/XNNPACK": ("int8", "fp16"), "onnxruntime": ("fp32",)}  # what people run, by backend


def accuracy(results: Path) -> str:
    """Foreground and boundary IoU of every shipped artefact on the held-out sets."""
    return _by_set("file", read_csv(results / "accuracy_mobile.csv"), lambda row: row["file"])


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


def vnni(results: Path) -> str:
    """The same of TFLite files, on a processor with int8 dot products."""
    rows = read_csv(results / "latency_224x224_vnni.csv")
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
    rows = [
        {
            "what": "TFLite int8 against float32, 1 thread, median",
            "figure": f"{timed['tflite', 'int8'] / timed['tflite', 'fp32']:.2f}x",
            "command": "`portraitnet benchmark BUNDLE --rivals`",
        },
        *(
            {
                "what": f"`run` on a 1280x720 clip, 2 threads, background {name}",
                "figure": f"{rate:.0f} frames/s",
                "command": "`portraitnet benchmark --what video`",
            }
            for name, rate in middle.items()
        ),
        *(
            {"what": f"`{name}`", "figure": f"{seconds:.2f} s", "command": "`portraitnet benchmark --what startup`"}
            for name, seconds in start.items()
        ),
    ]
    rows.append(
        {
            "what": f"training on {fed['device']}, batch {fed['batch']} at 224x224; of the network alone on one batch",
            "figure": f"{float(fed['images_per_second']):.0f} images/s; {float(fed['of_the_network_alone']):.2f}x",
            "command": "`portraitnet benchmark --what training --data DIR`",
        }
    )
    return markdown(rows, {"what": "what", "figure": "measured", "command": "command"})


def encoders(results: Path) -> str:
    """Accuracy, latency and size of one decoder on several encoders, one thread."""
    models: dict[str, dict[str, dict[str, str]]] = {}
    for row in read_csv(results / "latency_128x128.csv"):
        if row["threads"] == "1":
            models.setdefault(row["model"], {})[row["precision"]] = row
    table = [
        {
            "encoder": name,
            "fp32 IoU": f"{float(row['fp32']['fg_iou_per_image']):.3f}",
            "int8 IoU": f"{float(row['int8']['fg_iou_per_image']):.3f}",
            "fp32 ms": f"{float(row['fp32']['median_ms']):.1f}",
            "int8 ms": f"{float(row['int8']['median_ms']):.1f}",
            "int8 MB": f"{int(row['int8']['bytes']) / 1e6:.1f}",
            "M parameters": f"{int(row['int8']['parameters']) / 1e6:.1f}",
            "M MACs": f"{int(row['int8']['macs']) / 1e6:.0f}",
        }
        for name, row in models.items()
    ]
    return markdown(table, {key: key for key in table[0]})


def faces(results: Path) -> str:
    """IoU of each part of a face, by how it was trained."""
    rows = read_csv(results / "accuracy_faceparse_fasseg_classes.csv")
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        shown = table.setdefault(
            row["class"], {"class": row["class"], "of pixels": f"{100 * float(row['share']):.1f} %"}
        )
        shown[_run_of(row)] = f"{float(row['iou']):.3f}"
    lines = [*table.values()]
    for name, metric in (("mean IoU", "miou"), ("mean accuracy", "mean_accuracy")):
        scores = read_csv(results / "accuracy_faceparse_fasseg.csv")
        lines.append({"class": name, "of pixels": "", **{_run_of(r): f"{float(r[metric]):.3f}" for r in scores}})
    return markdown(lines, {key: key for key in lines[0]})


def architectures(results: Path) -> str:
    """The architectures on VOC's 21 classes."""
    return _shown(
        read_csv(results / "accuracy_rivals_voc.csv"),
        {
            "architecture": "{run}",
            "mIoU": "{miou:.3f}",
            "mean accuracy": "{mean_accuracy:.3f}",
            "fg IoU per image": "{fg_iou_per_image:.3f}",
            "M parameters": "{million_parameters:.1f}",
            "M MACs": "{million_macs:.0f}",
        },
    )


def cross(results: Path) -> str:
    """Foreground IoU of models trained on one set, on every set."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / "accuracy_cross_portraits.csv"):
        shown = table.setdefault(_run_of(row), {"trained on": _run_of(row)})
        shown[row["set"]] = f"{float(row['fg_iou_per_image']):.3f}"
    return markdown(list(table.values()), {key: key for key in next(iter(table.values()))})


def steadiness(results: Path) -> str:
    """Flicker of the shipped model, plain and smoothed."""
    return _shown(
        read_csv(results / "flicker.csv"),
        {
            "camera": "{camera}",
            "clips": "{clips:.0f}",
            "flicker": "{flicker_plain:.4f}",
            "smoothed": "{flicker_smoothed:.4f}",
            "less": "{flicker_ratio:.1f}x",
            "edge band IoU": "{edge_iou_plain:.4f}",
            "smoothed edge band IoU": "{edge_iou_smoothed:.4f}",
        },
    )


def edges(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model, plain and with refined edges."""
    return _shown(
        read_csv(results / "edges.csv"),
        {
            "held-out set": "{set}",
            "images": "{images:.0f}",
            "fg IoU": "{fg_iou_per_image_plain:.4f}",
            "refined fg IoU": "{fg_iou_per_image_refined:.4f}",
            "boundary IoU": "{boundary_iou_plain:.4f}",
            "refined boundary IoU": "{boundary_iou_refined:.4f}",
            "alpha error": "{alpha_error:.4f}",
            "with levels": "{alpha_error_levels:.4f}",
            "refined": "{alpha_error_refined:.4f}",
        },
    )


def fairness(results: Path) -> str:
    """Foreground IoU by lighting, number of people and framing on the set of people, ours and a peer."""
    table: dict[str, dict[str, str]] = {}
    for row in read_csv(results / "fairness.csv"):
        if row["set"] == "people":
            shown = table.setdefault(row["group"], {"group": row["group"], "images": row["images"]})
            shown[Path(row["file"]).stem] = f"{float(row['fg_iou_per_image']):.3f}"
    return markdown(list(table.values()), {key: key for key in table["all"]})


def peers(results: Path) -> str:
    """Foreground and boundary IoU of the shipped model and of its peers on every held-out set."""
    return _by_set("model", read_csv(results / "accuracy_peers.csv"), lambda row: Path(row["file"]).stem)


def live(results: Path) -> str:
    """The live pipeline at 720p beside MediaPipe's example: rate, delay, memory."""
    rows = []
    for row in read_csv(results / "live_720p.csv"):
        ours = bool(row["delay_ms"])
        rows.append(
            {
                "contestant": row["contestant"],
                "frames/s": f"{float(row['frames_per_second']):.0f}",
                "of MediaPipe's": f"{float(row['times_mediapipe']):.2f}x",
                "delay at 30 frames/s": f"{float(row['delay_ms']):.0f} ms" if ours else "–",
                "memory grew by": f"{float(row['growth_mb']):.1f} MB in {row['soak_frames']} frames" if ours else "–",
            }
        )
    return markdown(rows, {key: key for key in rows[0]})


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
    return _shown(
        [*slowest(rows), rows[-1]],
        {
            "layer": "{layer}",
            "ms": "{median_ms:.2f}",
            "M MACs": "{million_macs:.1f}",
            "share of its limit": "{share_of_limit:.2f}",
            "limit": "{bound}",
        },
    )


def _by_set(heading: str, rows: Sequence[Mapping[str, str]], name: Callable[[Mapping[str, str]], str]) -> str:
    """One line for each file: "mean (median) foreground IoU / boundary IoU" on each set."""
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        shown = table.setdefault(name(row), {heading: name(row)})
        mean, median, boundary = (
            f"{float(row[key]):.3f}" for key in ("fg_iou_per_image", "fg_iou_median", "boundary_iou")
        )
        shown[row["set"]] = f"{mean} ({median}) / {boundary}"
    return markdown(list(table.values()), {key: key for key in next(iter(table.values()))})


def _run_of(row: Mapping[str, str]) -> str:
    """The run's folder, of runs/NAME/last.safetensors."""
    return row["file"].partition("/")[0]


def _shown(rows: Sequence[Mapping[str, str]], columns: Mapping[str, str]) -> str:
    """A Markdown table of a results file: each heading's cells are a format of the row's values."""
    return markdown(
        [{heading: form.format(**_values(row)) for heading, form in columns.items()} for row in rows],
        {heading: heading for heading in columns},
    )


def _values(row: Mapping[str, str]) -> dict[str, object]:
    """A row with its numbers as numbers, the run it names, and costs in millions."""
    values: dict[str, object] = {"run": _run_of(row)} if "file" in row else {}
    for key, text in row.items():
        try:
            values[key] = float(text)
        except ValueError:
            values[key] = text
        if key in ("parameters", "macs") and text:
            values[f"million_{key}"] = float(text) / 1e6
    return values


Section = Callable[[Path], str]
PAGES: dict[str, dict[str, Section]] = {
    "README.md": {"accuracy": accuracy, "latency": latency, "speed": speed},
    "benchmarks/README.md": {
        "artefacts": artefacts,
        "roofline": roofline,
        "border": border,
        "vnni": vnni,
        "encoders": encoders,
        "faces": faces,
        "architectures": architectures,
        "cross": cross,
        "flicker": steadiness,
        "edges": edges,
        "peers": peers,
        "fairness": fairness,
        "live": live,
        "arm": arm,
    },
}


def section(text: str, name: str) -> str:
    """What stands between the marks <!-- name --> and <!-- /name -->."""
    found = re.search(_marks(name), text, re.DOTALL)
    if not found:
        raise InputError(f"the README has no section marked <!-- {name} -->")
    return found.group(2).strip()


def fill(text: str, name: str, content: str) -> str:
    """`text` with `content` between the marks."""
    section(text, name)
    return re.sub(_marks(name), lambda m: f"{m.group(1)}\n{content.strip()}\n{m.group(3)}", text, flags=re.DOTALL)


def _marks(name: str) -> str:
    return rf"(<!-- {name} -->)(.*?)(<!-- /{name} -->)"


def main() -> None:
    """Rewrite the pages of this checkout."""
    root = Path(__file__).parent.parent
    for page, sections in PAGES.items():
        text = (root / page).read_text(encoding="utf-8")
        for name, make in sections.items():
            text = fill(text, name, make(root / "benchmarks" / "results"))
        write_text(root / page, text)


if __name__ == "__main__":
    main()
