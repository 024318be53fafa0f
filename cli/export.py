"""`portraitnet export`: a checkpoint becomes files for phones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import InputError
from .run import comma_separated, parse_size


def export_command(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="A .safetensors checkpoint, as training writes it, or a model that ships."),
    ] = None,
    to: Annotated[
        str, typer.Option(help="Formats: onnx, tflite, mediapipe, coreml, executorch.")
    ] = "onnx,coreml,tflite",
    precision: Annotated[
        str,
        typer.Option(help="Precisions: fp32, fp16, int8, w8a32, w8a16 (for NPUs), int8-mixed."),
    ] = "fp32,fp16,int8",
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
    npu: Annotated[
        str, typer.Option(help="Compile for phones' NPUs too, as qualcomm:sm8750,mediatek:mt6991; into OUT-npu.")
    ] = "",
    android: Annotated[
        Path | None,
        typer.Option(help="The Android project (android_demo): puts the model into its app; alone, those that ship."),
    ] = None,
) -> None:
    """Write a phone-ready bundle; every artefact is proven equal to its torch model first.

    w8a32 stores int8 weights and computes in float: a small file at the speed of float. w8a16 is for NPUs. int8-mixed
    is int8, but keeps in float32 the few operators without which the masks would differ, and model.json names them.
    --to mediapipe writes files that MediaPipe's ImageSegmenter opens. A format skips the precisions that it lacks.
    """
    from ..export.android import install_in_app, install_shipped
    from ..export.bundle import export_bundle
    from ..export.npu import compile_for_npus, parse_chips, require_compilers
    from ..export.parity import ParityError, parity_table
    from ..runtime.console import console
    from ..runtime.shipped import find_model
    from ..train.engine.checkpoint import load_checkpoint

    if checkpoint is None:
        if android is None:
            raise InputError("name a checkpoint; or --android android_demo, which puts the shipped models into the app")
        with console.status("exporting a float16 file of mobile, for GPUs"):
            placed = install_shipped(android, lambda model, folder: export_bundle(model, folder, ["tflite"], ["fp16"]))
        for folder in placed:
            print(f"in the app: {folder}")
        return
    chips = parse_chips(npu) if npu else []
    require_compilers(chips)
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
    if chips:
        tflites = [target / a.file for a in contract.artefacts if a.format == "tflite"]
        if not tflites:
            raise InputError("--npu compiles .tflite files: add --to tflite")
        for file_and_chip, told in compile_for_npus(tflites, chips, target.with_name(f"{target.name}-npu")).items():
            print(f"{file_and_chip}: {told}")
    if android:
        print(f"in the app: {install_in_app(target, android)}")
