import platform
import subprocess
import sys

import pytest

from portraitnet.runtime.media.memory import keep_freed_memory

FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "kept":
    from portraitnet.runtime.media.memory import keep_freed_memory
    keep_freed_memory()
def frames(count):
    for _ in range(count):
        kept = [np.full((720, 1280, 3), 7, np.uint8) for _ in range(12)]
frames(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
frames(20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to set but in glibc")
def test_frames_are_made_of_the_memory_that_others_left():
    faults = {
        way: int(subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True).stdout)
        for way in ("plain", "kept")
    }
    assert faults["kept"] < 500  # of 20 x 12 frames of 675 pages
    assert faults["kept"] < faults["plain"]


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr("portraitnet.runtime.media.memory.sys.platform", "win32")
    opened = []
    monkeypatch.setattr("portraitnet.runtime.media.memory.ctypes.CDLL", opened.append)
    keep_freed_memory()
    assert opened == []
