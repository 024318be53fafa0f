"""`portraitnet export`: a checkpoint becomes files for phones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .run import comma_separated, parse_size


def export_command(
    checkpoint: Annotated[
        Path, typer.Argument(help="A .safetensors checkpoint, as training writes it, or a model that ships.")
    ],
    to: Annotated[str, typer.Option(help="Formats: onnx, tflite, coreml, executorch.")] = "onnx,coreml,tflite",
    precision: Annotated[str, typer.Option(help="Precisions: fp32, fp16, int8.")] = "fp32,fp16,int8",
    size: Annotated[
        str,
        typer.Option(help="Input: 224, or HEIGHTxWIDTH (multiples of 32, nano 16); as trained unless given."),
    ] = "",
    calibration: Annotated[
        Path | None,
        typer.Option(help="Photographs that calibrate int8 (with masks/: accuracy is gated too)."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Bundle folder; exports/NAME unless given.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write even when a parity gate fails, and say so.")] = False,
    android: Annotated[
        Path | None, typer.Option(help="The Android project (android_demo): puts the .tflite into its app.")
    ] = None,
) -> None:
    """Write a phone-ready bundle; every artefact is proven equal to its torch model first."""
    from ..export.android import install_in_app
    from ..export.bundle import export_bundle
    from ..export.parity import ParityError, parity_table
    from ..runtime.console import console
    from ..runtime.shipped import find_model
    from ..train.engine.checkpoint import load_checkpoint

    loaded = load_checkpoint(find_model(checkpoint, ".safetensors"))
    target = out or Path("exports") / loaded.name
    try:
        with console.status("exporting") as status:
            contract = export_bundle(
                loaded,
                target,
                comma_separated(to),
                comma_separated(precision),
                parse_size(size) if size else None,
                calibration,
                force,
                on_progress=status.update,
            )
    except ParityError as error:
        console.print(error.table)
        raise
    console.print(parity_table({artefact.file: artefact.parity for artefact in contract.artefacts}))
    print(f"bundle: {target}")
    if android:
        print(f"in the app: {install_in_app(target, android)}")
