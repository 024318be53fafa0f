"""The README's measured tables are what the committed results say."""

from pathlib import Path

import pytest

import portraitnet
from portraitnet.benchmarks.reporting.readme import PAGES, fill, section

ROOT = Path(portraitnet.__file__).parent


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, sections in PAGES.items() for name in sections])
def test_tables_match_the_results_files(page, name):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert section(text, name) == PAGES[page][name](ROOT / "benchmarks" / "results").strip()


def test_filling_replaces_only_what_lies_between_the_marks():
    text = "a\n<!-- latency -->\nold\n<!-- /latency -->\nb\n"
    assert fill(text, "latency", "new") == "a\n<!-- latency -->\nnew\n<!-- /latency -->\nb\n"
