"""Puts an exported model into the Android app: its .tflite and its model.json, as assets."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from ..runtime.contract import Contract
from ..runtime.errors import InputError
from ..runtime.files import write_folder_beside
from .bundle import PRECISIONS


def install_in_app(bundle: Path, demo: Path) -> Path:
    """Copy the smallest .tflite of the folder `bundle`, with a model.json that names it alone, into `demo`'s assets.

    `demo` is the Android project's folder (android_demo). What was there before is replaced as a whole. Returns the
    .tflite's new place. Raises InputError when the bundle has none, or `demo` is no such project.
    """
    main = demo / "app" / "src" / "main"
    if not (main / "AndroidManifest.xml").is_file():
        raise InputError(f"{demo} is not the Android project: it has no app/src/main/AndroidManifest.xml")
    contract = Contract.read(bundle)
    found = {artefact.precision: artefact for artefact in contract.artefacts if artefact.format == "tflite"}
    if contract.task != "portrait" or not found:
        raise InputError(f"{bundle} has no .tflite of a portrait model: export with --to tflite")
    chosen = next(found[precision] for precision in reversed(PRECISIONS) if precision in found)
    with write_folder_beside(main / "assets") as assets:
        shutil.copyfile(bundle / chosen.file, assets / chosen.file)
        dataclasses.replace(contract, artefacts=(chosen,)).write(assets)
    return main / "assets" / chosen.file
