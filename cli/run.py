"""`portraitnet run`, `webcam` and `serve`: what a model is for. Nothing here needs torch."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import InputError

Threads = Annotated[int, typer.Option(min=1, max=64, help="CPU threads.")]
Model = Annotated[
    Path,
    typer.Option(help="A model that ships (nano, small, mobile, large), a bundle, .tflite, .onnx, or a peer's .yaml."),
]

Device = Annotated[
    str,
    typer.Option(help="auto, cpu, gpu; for .onnx cuda, directml, coreml, openvino: all of it or an error."),
]


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from `224` or `HEIGHTxWIDTH`."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() for side in sides):
        raise InputError(f"size {text!r}: write 224, or HEIGHTxWIDTH such as 160x256")
    return int(sides[0]), int(sides[-1])


def comma_separated(text: str) -> list[str]:
    """The parts of `a,b,c`, without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def run_command(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, videos, or folders of them.")],
    out: Annotated[Path, typer.Option(help="A file for one input, else a folder.")],
    background: Annotated[
        str, typer.Option(help="blur, a colour (#208060, teal), a picture, a video, or none (transparent).")
    ] = "blur",
    output: Annotated[str, typer.Option(help="composite, mask, or cutout.")] = "composite",
    model: Model = Path("mobile"),
    threads: Threads = 2,
    device: Device = "auto",
    edge_refine: Annotated[
        bool, typer.Option("--edge-refine", help="Draw the outline to the picture's own edges (4 ms at 720p).")
    ] = False,
    smooth: Annotated[bool, typer.Option(help="Hold a video's outline still where it only trembles.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
) -> None:
    """Replace the background of pictures, folders and videos (frame rate, rotation and sound are kept)."""
    from ..runtime.backends import device_of
    from ..runtime.process import run
    from ..runtime.segmenter import Segmenter

    segmenter = Segmenter.load(model, threads, edge_refine, device)
    if device != "auto":
        print(f"model on: {device_of(segmenter.backend)}")
    summary = run(inputs, segmenter, out, background, output, overwrite, progress=True, smooth=smooth)
    print(f"{len(summary.written)} files, {summary.frames} frames, {summary.frames_per_second:.1f} frames/s: {out}")


def webcam_command(
    camera: Annotated[
        str, typer.Option(help="A camera's number; or a video, or a folder of pictures, in its place.")
    ] = "0",
    background: Annotated[
        list[str] | None,
        typer.Option(help="blur, blur:STRENGTH, a colour, a picture, a video, or none; several for key b."),
    ] = None,
    model: Model = Path("nano"),
    virtual_camera: Annotated[
        bool, typer.Option("--virtual-camera", help="Be a camera for video calls (OBS, v4l2loopback).")
    ] = False,
    record: Annotated[Path | None, typer.Option(help="Record to this .mp4, .mov or .mkv.")] = None,
    preview: Annotated[bool, typer.Option(help="Show a window.")] = True,
    mirror: Annotated[bool, typer.Option("--mirror", help="Flip left and right, as a mirror does.")] = False,
    edge_refine: Annotated[
        bool, typer.Option("--edge-refine", help="Draw the outline to the picture's own edges.")
    ] = False,
    smooth: Annotated[bool, typer.Option(help="Hold the outline still where it only trembles.")] = True,
    size: Annotated[str, typer.Option(help="Ask the camera for WIDTHxHEIGHT.")] = "1280x720",
    loop: Annotated[bool, typer.Option("--loop", help="Begin a video or folder again when it ends.")] = False,
    frames: Annotated[int, typer.Option(min=0, help="Stop after so many pictures; 0: never.")] = 0,
    threads: Annotated[
        int, typer.Option(min=1, max=64, help="Pictures under way at a time, each with a CPU thread for the model.")
    ] = 1,
    device: Device = "auto",
) -> None:
    """Replace your webcam's background, live: in a window, a recording, or as a camera for video calls.

    Keys in the window: b next background, + and - blur, m mirror, space pause, s statistics, p snapshot, q quit.
    Pictures never leave this computer.
    """
    from ..runtime.backends import device_of
    from ..runtime.console import console
    from ..runtime.live.camera import open_source
    from ..runtime.live.sinks import Preview, Recorder, VirtualCamera
    from ..runtime.live.webcam import KEYS, Controls, Sink, Webcam, parse_backgrounds
    from ..runtime.segmenter import Segmenter

    if not (preview or record or virtual_camera or frames):
        raise InputError("--no-preview needs --record, --virtual-camera or --frames: else nothing would come of it")
    if record and record.exists():
        raise InputError(f"{record} exists; choose another name for the recording")
    width, height = parse_size(size)
    controls = Controls(parse_backgrounds(background or []), mirror=mirror)
    segmenters = [Segmenter.load(model, threads=1, device=device) for _ in range(threads)]
    if device != "auto":
        console.print(f"model on: {device_of(segmenters[0].backend)}")
    with ExitStack() as opened:  # until the session, which closes them, has them
        sinks: list[Sink] = [Recorder(record)] if record else []
        source = open_source(camera, (height, width), loop, console.print)
        opened.callback(source.close)
        window = Preview() if preview else None
        sinks += [window] if window else []
        for sink in sinks:
            opened.callback(sink.close)
        sinks += [VirtualCamera(source.rate)] if virtual_camera else []
        opened.pop_all()
    if window:
        console.print(KEYS)
    keys = window.key if window else lambda: ""
    session = Webcam(source, segmenters, controls, sinks, keys, smooth, edge_refine, say=console.print)
    shown = session.run(frames)
    console.print(f"{shown} pictures shown" + (f"; recording: {record}" if record else ""))


def serve_command(
    models: Annotated[
        list[Path] | None,
        typer.Argument(help="Models to choose from: .tflite files, or names of those that ship (nano small mobile)."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    lan: Annotated[
        bool, typer.Option("--lan", help="For phones on this network: https, a secret address, and its QR code.")
    ] = False,
) -> None:
    """Serve the page that runs a model in the visitor's browser: camera, photo or video, no picture leaves the device.

    Only this computer sees it, unless --lan is given. In a checkout `make web` builds the page (Node.js).
    """
    import secrets

    from ..runtime.backends import find_model
    from ..runtime.web.lan import doorway, serve
    from ..runtime.web.server import PageServer, resources

    site = resources([find_model(model) for model in models or ("nano", "small", "mobile")])
    with doorway(lan) as (address, certificate):
        serve(PageServer(site, address, port, secrets.token_urlsafe(12) if lan else "", certificate), lan)
