"""Writes the measured tables of README.md and docs/benchmarks/ from the committed results:
python -m portraitnet.benchmarks.reporting.readme"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import write_text
from . import readme_accuracy as accuracy
from . import readme_speed as cost

Section = Callable[[Path], str]
PAGES: dict[str, dict[str, Section]] = {
    "README.md": {"models": accuracy.models},
    "runtime/weights/README.md": {"scores": accuracy.card},
    "docs/benchmarks/accuracy.md": {
        "accuracy": accuracy.accuracy,
        "peers": accuracy.peers,
        "fairness": accuracy.fairness,
        "edges": accuracy.edges,
        "flicker": accuracy.steadiness,
    },
    "docs/benchmarks/speed.md": {
        "latency": cost.latency,
        "speed": cost.speed,
        "live": cost.live,
        "artefacts": cost.artefacts,
        "avx2": cost.avx2,
        "roofline": cost.roofline,
        "border": cost.border,
        "arm": cost.arm,
    },
    "docs/benchmarks/experiments.md": {
        "encoders": accuracy.encoders,
        "architectures": accuracy.architectures,
        "cross": accuracy.cross,
        "ablation": accuracy.ablation,
        "faces": accuracy.faces,
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


if __name__ == "__main__":
    main()
