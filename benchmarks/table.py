"""Results as CSV files named by experiment, with the machine and tool versions inside, and tables from them."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..runtime.errors import InputError
from ..runtime.files import write_text

_TOOLS = ("portraitnet", "torch", "onnxruntime", "ai-edge-litert", "opencv-python", "av")
Row = Mapping[str, object]


def provenance() -> dict[str, str]:
    """The machine and the versions that a result was read on."""
    versions = []
    for tool in _TOOLS:
        try:
            versions.append(f"{tool} {importlib.metadata.version(tool)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"machine": _processor(), "python": platform.python_version(), "versions": "; ".join(versions)}


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows (columns: the union of their keys, in order of appearance), whole or not at all."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()})
    write_text(path, text.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a results file."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; measure it first")
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A Markdown table; `columns` maps keys to headings. Numbers are set to the right."""
    keys = list(columns)
    numeric = {key for key in keys if all(_is_number(row.get(key, "")) for row in rows)}
    lines = [" | ".join(columns.values()), " | ".join("---:" if key in numeric else "---" for key in keys)]
    lines += [" | ".join(str(row.get(key, "")) for key in keys) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table under their own keys, shares to four places."""
    shown = [{k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    return markdown(shown, {key: key for key in shown[0]})


def latency_markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """The latency table as the README shows it, one line per contestant, fastest first within a model."""
    shown = [
        {
            "model": row["model"] + ("" if row["weights"] == "trained" else " *"),
            "artefact": f"{row['format']} {row['precision']}",
            "threads": row["threads"],
            "median": f"{float(row['median_ms']):.1f}",
            "p90": f"{float(row['p90_ms']):.1f}",
            "megabytes": f"{int(row['bytes']) / 1e6:.1f}",
            "parameters": f"{int(row['parameters']) / 1e6:.2f}" if row["parameters"] else "–",
            "macs": f"{int(row['macs']) / 1e6:.0f}" if row["macs"] else "–",
            "accuracy": f"{float(row['fg_iou_per_image']):.4f}" if row["fg_iou_per_image"] else "–",
            "residency": row.get("residency", "") or "–",
        }
        for row in sorted(rows, key=lambda r: (r["model"], r["threads"], float(r["median_ms"])))
    ]
    return markdown(
        shown,
        {
            "model": "model",
            "artefact": "artefact",
            "threads": "threads",
            "median": "median ms",
            "p90": "p90 ms",
            "megabytes": "MB",
            "parameters": "M parameters",
            "macs": "M MACs",
            "accuracy": "fg IoU per image",
            "residency": "nodes delegated",
        },
    )


def _is_number(value: object) -> bool:
    try:
        float(str(value).replace("–", "0"))
    except ValueError:
        return False
    return True


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Hardware")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
