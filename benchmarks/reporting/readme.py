"""Writes the measured tables of README.md and docs/benchmarks/ from the committed results:
python -m portraitnet.benchmarks.reporting.readme"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import write_text
from . import readme_accuracy as accuracy
from . import readme_phones as phone
from . import readme_speed as cost
from .table import read_csv
from .tradeoff import draw_tradeoff

Section = Callable[[Path], str]


def _measured(table: Section, file: str) -> Section:
    """A section: `table`, and the machines that the results file names."""

    def section(results: Path) -> str:
        machines = "; ".join(dict.fromkeys(row["machine"] for row in read_csv(results / f"{file}.csv")))
        return f"{table(results)}\n\nMeasured on: {machines} (`results/{file}.csv`)."

    return section


PAGES: dict[str, dict[str, Section]] = {
    "README.md": {"models": _measured(accuracy.models, "latency_224x224"), "phones": phone.front_page},
    "runtime/weights/README.md": {"scores": _measured(accuracy.card, accuracy.SCORES)},
    "docs/benchmarks/accuracy.md": {
        "accuracy": _measured(accuracy.accuracy, accuracy.SCORES),
        "outlines": _measured(accuracy.outlines, accuracy.SCORES),
        "fairness": _measured(accuracy.fairness, "fairness"),
        "edges": _measured(accuracy.edges, "edges"),
        "mattes": _measured(accuracy.mattes, "mattes"),
        "flicker": _measured(accuracy.steadiness, "flicker"),
    },
    "docs/benchmarks/speed.md": {
        "latency": _measured(cost.latency, "latency_224x224"),
        "speed": cost.speed,  # a machine in each line
        "live": _measured(cost.live, "live_720p"),
        "page": _measured(cost.page, "page"),
        "artefacts": _measured(cost.artefacts, "latency_224x224"),
        "avx2": _measured(cost.avx2, "latency_224x224_avx2"),
        "roofline": _measured(cost.roofline, "roofline_mobile_int8"),
        "border": _measured(cost.border, "latency_border"),
        "compiled_model": _measured(cost.compiled_model, "latency_compiled_model"),
        "arm": _measured(cost.arm, "arm_instructions"),
        "phones": phone.phones,
    },
    "docs/benchmarks/experiments.md": {
        "encoders": _measured(accuracy.encoders, "latency_224x224"),
        "architectures": _measured(accuracy.architectures, "accuracy_rivals_voc"),
        "cross": _measured(accuracy.cross, "accuracy_cross_portraits"),
        "ablation": _measured(accuracy.ablation, "accuracy_ablation_portraits"),
        "eg1800": accuracy.eg1800,
        "faces": _measured(accuracy.faces, "accuracy_faceparse_fasseg"),
        "matte_losses": _measured(accuracy.matte_losses, "mattes_losses"),
        "matte_outlines": _measured(accuracy.matte_outlines, "accuracy_matte_portraits"),
        "sides": _measured(accuracy.sides, "accuracy_faceparse_sides_celebamask"),
    },
}


def section(text: str, name: str) -> str:
    """What stands between the marks <!-- name --> and <!-- /name -->."""
    found = re.search(_marks(name), text, re.DOTALL)
    if not found:
        raise InputError(f"the page has no section marked <!-- {name} -->")
    return found.group(2).strip()


def fill(text: str, name: str, content: str) -> str:
    """`text` with `content` between the marks."""
    section(text, name)
    return re.sub(_marks(name), lambda m: f"{m.group(1)}\n{content.strip()}\n{m.group(3)}", text, flags=re.DOTALL)


def _marks(name: str) -> str:
    return rf"(<!-- {name} -->)(.*?)(<!-- /{name} -->)"


def main() -> None:
    """Rewrite the pages of this checkout."""
    root = Path(__file__).parent.parent.parent
    for page, sections in PAGES.items():
        text = (root / page).read_text(encoding="utf-8")
        for name, make in sections.items():
            text = fill(text, name, make(root / "benchmarks" / "results"))
        write_text(root / page, text)
    results = root / "benchmarks" / "results"
    draw_tradeoff(results, "latency_224x224", accuracy.SCORES, results / "accuracy_against_time.png")


if __name__ == "__main__":
    main()
