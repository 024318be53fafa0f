"""Puts an exported model into the Android app: its .tflite and its model.json, as assets."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from ..runtime.contract import Contract
from ..runtime.errors import InputError
from ..runtime.files import write_folder_beside

# Fast and small on phones' CPUs and GPUs, the best first; w8a16 is for NPUs alone.
_PREFERENCE = ("int8", "int8-mixed", "w8a32", "fp16", "fp32")


def install_in_app(bundle: Path, demo: Path) -> Path:
    """Copy the fastest .tflite of the folder `bundle`, with a model.json that names it alone, into `demo`'s assets.

    `demo` is the Android project's folder (android_demo). What was there before is replaced as a whole. Returns the
    .tflite's new place. Raises InputError when the bundle has none, or `demo` is no such project.
    """
    main = demo / "app" / "src" / "main"
    if not (main / "AndroidManifest.xml").is_file():
        raise InputError(f"{demo} is not the Android project: it has no app/src/main/AndroidManifest.xml")
    contract = Contract.read(bundle)
    found = {a.precision: a for a in contract.artefacts if a.format == "tflite" and a.precision in _PREFERENCE}
    if contract.task != "portrait" or not found:
        raise InputError(f"{bundle} has no .tflite of a portrait model: export with --to tflite")
    chosen = next(found[precision] for precision in _PREFERENCE if precision in found)
    with write_folder_beside(main / "assets") as assets:
        shutil.copyfile(bundle / chosen.file, assets / chosen.file)
        dataclasses.replace(contract, artefacts=(chosen,)).write(assets)
    return main / "assets" / chosen.file
