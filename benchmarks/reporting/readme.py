"""Writes the measured tables of README.md and of benchmarks/README.md from the committed results:
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
    "README.md": {"accuracy": accuracy.accuracy, "latency": cost.latency, "speed": cost.speed},
    "benchmarks/README.md": {
        "artefacts": cost.artefacts,
        "roofline": cost.roofline,
        "border": cost.border,
        "avx2": cost.avx2,
        "encoders": accuracy.encoders,
        "faces": accuracy.faces,
        "architectures": accuracy.architectures,
        "cross": accuracy.cross,
        "ablation": accuracy.ablation,
        "flicker": accuracy.steadiness,
        "edges": accuracy.edges,
        "peers": accuracy.peers,
        "fairness": accuracy.fairness,
        "live": cost.live,
        "arm": cost.arm,
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
    root = Path(__file__).parent.parent.parent
    for page, sections in PAGES.items():
        text = (root / page).read_text(encoding="utf-8")
        for name, make in sections.items():
            text = fill(text, name, make(root / "benchmarks" / "results"))
        write_text(root / page, text)


if __name__ == "__main__":
    main()
