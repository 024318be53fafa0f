"""What the processor can do with int8: without dot products of bytes, int8 files are slower than float ones."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}  # as Linux names them, on x86 and on ARM

# Fastest first, as (format, precision), on one thread of a Xeon with VNNI and of one without.
_WITH_DOT_PRODUCTS = [
    ("tflite", "int8"),
    ("tflite", "int8-mixed"),
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("tflite", "w8a32"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("onnx", "w8a32"),
    ("onnx", "fp16"),
    ("tflite", "w8a16"),
]
_INT8 = {("tflite", "int8"), ("tflite", "int8-mixed")}


@lru_cache
def has_int8_dot_products() -> bool:
    """Whether the processor multiplies and adds bytes in one instruction; yes where the system does not tell."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                return bool(_DOT_PRODUCTS & set(value.split()))
    # Apple's own processors have them all; Windows has no list of flags to read.
    return True


def preference() -> list[tuple[str, str]]:
    """(format, precision) of what runs here, the fastest on this processor first."""
    if has_int8_dot_products():
        return list(_WITH_DOT_PRODUCTS)
    rest = [kind for kind in _WITH_DOT_PRODUCTS if kind not in _INT8]
    after = rest.index(("onnx", "fp32")) + 1
    return [*rest[:after], *(kind for kind in _WITH_DOT_PRODUCTS if kind in _INT8), *rest[after:]]
