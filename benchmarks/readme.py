"""Writes the README's measured tables from the committed results: python -m portraitnet.benchmarks.readme"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..runtime.errors import InputError
from ..runtime.files import write_text
from .table import latency_markdown, markdown, read_csv


def accuracy(results: Path) -> str:
    """Foreground IoU of every shipped artefact on the held-out sets."""
    rows = read_csv(results / "accuracy_mobile.csv")
    return markdown(
        [
            {
                "set": row["set"],
                "images": row["images"],
                "file": row["file"],
                "fg": f"{float(row['fg_iou_per_image']):.4f}",
                "boundary": f"{float(row['boundary_iou']):.4f}",
                "pooled": f"{float(row['miou_2class_pooled']):.4f}",
            }
            for row in rows
        ],
        {
            "set": "held-out set",
            "images": "images",
            "file": "file",
            "fg": "fg IoU per image",
            "boundary": "boundary IoU",
            "pooled": "mIoU 2-class pooled",
        },
    )


def latency(results: Path) -> str:
    """Latency of every artefact, one thread."""
    rows = read_csv(results / "latency_224x224.csv")
    return latency_markdown([row for row in rows if row["threads"] == "1"])


def speed(results: Path) -> str:
    """The ratios and rates that the project promises, from their results files."""
    timed = {
        (r["format"], r["precision"]): float(r["median_ms"])
        for r in read_csv(results / "latency_224x224.csv")
        if r["threads"] == "1" and r["weights"] == "trained"
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


SECTIONS: dict[str, Callable[[Path], str]] = {"accuracy": accuracy, "latency": latency, "speed": speed}


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
    """Rewrite the README of this checkout."""
    root = Path(__file__).parent.parent
    text = (root / "README.md").read_text(encoding="utf-8")
    for name, make in SECTIONS.items():
        text = fill(text, name, make(root / "benchmarks" / "results"))
    write_text(root / "README.md", text)


if __name__ == "__main__":
    main()
