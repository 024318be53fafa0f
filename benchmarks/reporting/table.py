"""Results as CSV files named by experiment, with the machine and tool versions inside, and tables from them."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...runtime.contract import Contract
from ...runtime.errors import InputError
from ...runtime.files import write_text

_TOOLS = ("portraitnet", "torch", "onnxruntime", "ai-edge-litert", "opencv-python", "av")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
Row = Mapping[str, object]

# What every table of latencies holds, whoever measured it: this computer, a phone's browser, adb, the Android app.
LATENCY_COLUMNS = (
    *("model", "encoder", "format", "precision", "backend", "threads", "height", "width", "bytes", "parameters"),
    *("macs", "weights", "fg_iou_per_image", "residency", "median_ms", "p90_ms", "iqr_ms", "runs"),
    *("machine", "python", "versions"),
)


def model_columns(contract: Contract, format: str, precision: str, size: int) -> dict[str, object]:
    """What a row of latencies says of the model; `size` in bytes. Empty where the contract does not say."""
    return {
        "model": contract.name,
        "encoder": contract.encoder,
        "format": format,
        "precision": precision,
        "height": contract.height,
        "width": contract.width,
        "bytes": size,
        "parameters": contract.parameters or "",
        "macs": contract.macs or "",
        "weights": "trained",
    }


def name_of(row: Row) -> str:
    """The key of a row of latencies: unique within its run, and the same in the next run."""
    what = " ".join(str(row[key]) for key in ("model", "format", "precision", "backend") if row.get(key))
    size = f"{row['height']}x{row['width']} " if row.get("height") else ""
    return f"{what} {size}{row['threads']}t" if row.get("threads") else f"{what} {size}".strip()


def names_of(rows: Sequence[Row]) -> list[str]:
    """A name for each row of latencies, all different: where two would be one, the file is added, then a number.

    A file of many devices (phones.csv) has the device in every name.
    """
    several = len({row.get("machine") for row in rows}) > 1
    names = [f"{name_of(row)} {row['machine']}" if several else name_of(row) for row in rows]
    for extra in (lambda row, place: row.get("file", ""), lambda row, place: f"#{place}"):
        seen: dict[str, int] = {}
        twice = {name for name in names if names.count(name) > 1}
        for index, name in enumerate(names):
            if name in twice:
                seen[name] = seen.get(name, 0) + 1
                names[index] = f"{name} {extra(rows[index], seen[name])}".strip()
    return names


def provenance() -> dict[str, str]:
    """The machine, its frequency governor where it is known, and the versions that a result was read on."""
    versions = []
    for tool in _TOOLS:
        try:
            versions.append(f"{tool} {importlib.metadata.version(tool)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    governor = f", governor {_GOVERNOR.read_text().strip()}" if _GOVERNOR.is_file() else ""
    return {"machine": _processor() + governor, "python": platform.python_version(), "versions": "; ".join(versions)}


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
    """Rows of a results file. Raises InputError when it is missing or no CSV in UTF-8."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; measure it first")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:  # Excel puts a mark before the text
            return list(csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a results file: it must be text in UTF-8 ({error})") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


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


# Columns of the latency table: heading, key, and how a value is shown. Those that no row fills are left out.
_LATENCY_SHOWN: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("median ms", "median_ms", "{:.1f}".format),
    ("p90 ms", "p90_ms", "{:.1f}".format),
    ("end to end ms", "end_to_end_ms", "{:.1f}".format),
    ("cold start ms", "cold_start_ms", "{:.0f}".format),
    ("peak MB", "peak_mb", "{:.0f}".format),
    ("mJ", "millijoules", "{:.1f}".format),
    ("MB", "bytes", lambda value: f"{value / 1e6:.1f}"),
    ("M parameters", "parameters", lambda value: f"{value / 1e6:.2f}"),
    ("M MACs", "macs", lambda value: f"{value / 1e6:.0f}"),
    ("fg IoU per image", "fg_iou_per_image", "{:.4f}".format),
)


def latency_markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """The latency table as the README shows it, one line per contestant, fastest first within a model."""
    columns = [column for column in _LATENCY_SHOWN if any(row.get(column[1]) for row in rows)]
    several_sizes = len({(row.get("height"), row.get("width")) for row in rows}) > 1
    shown = [
        {
            "model": row["model"] + ("" if row["weights"] == "trained" else " *"),
            **({"size": f"{row['height']}x{row['width']}"} if several_sizes else {}),
            "artefact": f"{row['format']} {row['precision']}",
            "backend": row["backend"],
            "threads": row["threads"],
            **{heading: show(float(row[key])) if row.get(key) else "–" for heading, key, show in columns},
            "nodes delegated": row.get("residency", "") or "–",
        }
        for row in sorted(rows, key=lambda r: (r["model"], r["threads"], float(r["median_ms"])))
    ]
    return markdown(shown, {heading: heading for heading in shown[0]})


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


def run_of(row: Mapping[str, str]) -> str:
    """The run's folder, of runs/NAME/last.safetensors."""
    return row["file"].partition("/")[0]


def formatted(rows: Sequence[Mapping[str, str]], columns: Mapping[str, str]) -> str:
    """A Markdown table of a results file: each heading's cells are a format of the row's values."""
    return markdown(
        [{heading: form.format(**_values(row)) for heading, form in columns.items()} for row in rows],
        {heading: heading for heading in columns},
    )


def _values(row: Mapping[str, str]) -> dict[str, object]:
    """A row with its numbers as numbers, the run it names, and costs in millions."""
    values: dict[str, object] = {"run": run_of(row)} if "file" in row else {}
    for key, text in row.items():
        try:
            values[key] = float(text)
        except ValueError:
            values[key] = text
        if key in ("parameters", "macs") and text:
            values[f"million_{key}"] = float(text) / 1e6
    return values
