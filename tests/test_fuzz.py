"""300 damaged files of each kind: no traceback, no crash, no hang, no gigabytes."""

import sys

import pytest

from .fuzz import KINDS, damaged, fuzz

EXTRAS = {"checkpoints": "torch", "recipes": "yaml", "pictures": "pillow_heif", "tables": "portraitnet.benchmarks"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind):
    if kind in EXTRAS:
        pytest.importorskip(EXTRAS[kind])
    assert fuzz(kind, 0, 300) == []


def test_damage_is_the_same_every_time():
    import random

    data = bytes(range(256))
    first, again = (damaged(data, random.Random("a 1")) for _ in range(2))
    assert first == again != data
