"""`portraitnet run`, `webcam` and `serve`: what a model is for. Nothing here needs torch."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..runtime.errors import InputError
from . import STARTED

if TYPE_CHECKING:
    from ..runtime.process import Summary
    from ..runtime.segmenter import Segmenter

Threads = Annotated[int, typer.Option(min=1, max=64, help="CPU threads.")]
Model = Annotated[
    Path,
    typer.Option(help="A model that ships (nano, small, mobile, large), a bundle, .tflite, .onnx, or a peer's .yaml."),
]

Device = Annotated[
    str,
    typer.Option(help="auto, cpu, gpu; for .onnx cuda, directml, coreml, openvino: all of it or an error."),
]

LightWrap = Annotated[
    float, typer.Option(min=0, max=1, help="Light of the new background on the outline, 0 to 1; 0.5 is a good start.")
]

_LEAST_SIDE, _MOST_SIDE = 16, 8192  # of a camera's picture


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from `224` or `HEIGHTxWIDTH`."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() for side in sides):
        raise InputError(f"size {text!r}: write 224, or HEIGHTxWIDTH such as 160x256")
    return int(sides[0]), int(sides[-1])


def _camera_size(text: str) -> tuple[int, int]:
    """Height and width from `WIDTHxHEIGHT`, as cameras are described."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise InputError(f"--size {text!r}: write WIDTHxHEIGHT, such as 1280x720")
    width, height = (int(side[:9]) for side in sides)
    if not (_LEAST_SIDE <= width <= _MOST_SIDE and _LEAST_SIDE <= height <= _MOST_SIDE):
        raise InputError(f"--size {text}: a camera's picture has {_LEAST_SIDE} to {_MOST_SIDE} pixels a side")
    return height, width


def comma_separated(text: str) -> list[str]:
    """The parts of `a,b,c`, without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def run_command(
    inputs: Annotated[list[str], typer.Argument(help="Pictures, videos, or folders of them.")],
    out: Annotated[
        str | None,
        typer.Option(help="A file for one input, else a folder/; NAME-portrait beside each input unless given."),
    ] = None,
    background: Annotated[
        str,
        typer.Option(
            help="blur, blur:STRENGTH (percent of the longer side), a colour (#208060, teal), a picture, a video, "
            "or none (transparent)."
        ),
    ] = "blur",
    output: Annotated[
        str,
        typer.Option(help="composite, mask, cutout (transparent), or foreground (the person's colours on black)."),
    ] = "composite",
    model: Annotated[
        str,
        typer.Option(
            help="fast, balanced, best, a model that ships, a bundle's folder, a .tflite or .onnx; "
            "best for pictures and balanced for videos unless given."
        ),
    ] = "",
    light_wrap: LightWrap = 0.0,
    blur_shape: Annotated[str, typer.Option(help="gaussian, or disc: as a lens blurs, for photographs.")] = "gaussian",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="CPU threads of the model; 2 for pictures and 1 for videos, whose decoding, "
            "compositing and encoding have their own, unless given.",
        ),
    ] = None,
    device: Device = "auto",
    edge_refine: Annotated[bool, typer.Option(help="Draw the outline to the picture's own edges.")] = True,
    matting: Annotated[
        bool, typer.Option("--matting", help="Pictures: finer hair, by closed-form matting; seconds for each.")
    ] = False,
    smooth: Annotated[bool, typer.Option(help="Hold a video's outline still where it only trembles.")] = True,
    sound: Annotated[bool, typer.Option(help="Keep a video's sound.")] = True,
    deinterlace: Annotated[str, typer.Option(help="auto: interlaced frames alone; off.")] = "auto",
    encoder: Annotated[str, typer.Option(help="H.264 that is fast, small, or made in hardware.")] = "fast",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG, WebP and video.")] = 95,
    recursive: Annotated[bool, typer.Option("--recursive", help="Take folders inside folders too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep existing results; always so in a folder that is run again.")
    ] = False,
    cluster: Annotated[
        str, typer.Option(help="On all cores here by Ray: auto; or the address of a Ray cluster. A core a picture.")
    ] = "",
) -> None:
    """Replace the background of pictures, folders and videos (frame rate, rotation, sound and tags are kept).

    portraitnet run me.jpg                          me-portrait.jpg, with a blurred background
    portraitnet run clip.mp4 --background none      clip-portrait.mov, transparent (ProRes 4444)
    portraitnet run photos --out cut/ --background white
    """
    from ..runtime.process import run
    from ..runtime.shipped import shipped_model

    if cluster and model and Path(model).exists() and shipped_model(model) is None:
        model = str(Path(model).absolute())  # workers have working directories of their own
    if deinterlace not in ("auto", "off"):
        raise InputError(f"--deinterlace {deinterlace!r} is neither auto nor off")

    count = threads or 1
    opener = partial(_opened, model, threads or (1 if cluster else 0), edge_refine, device)
    summary = run(
        inputs,
        opener,
        out,
        background,
        output,
        overwrite,
        progress=True,
        sound=sound,
        smooth=smooth,
        skip_existing=skip_existing,
        recursive=recursive,
        deinterlace=deinterlace == "auto",
        encoder=encoder,
        quality=quality,
        matting=matting,
        light_wrap=light_wrap,
        blur_shape=blur_shape,
        cluster=cluster,
        cluster_threads=count,
    )
    print(_told(summary, time.perf_counter() - STARTED))


def _opened(model: str, threads: int, edge_refine: bool, device: str, has_video: bool) -> Segmenter:
    """The segmenter for what is to be done; here, or in a worker of a cluster."""
    from ..runtime.backends import device_of
    from ..runtime.segmenter import Segmenter

    name = model or ("balanced" if has_video else "best")
    segmenter = Segmenter.load(name, threads or (1 if has_video else 2), edge_refine, device)
    if device != "auto":
        print(f"model on: {device_of(segmenter.backend)}")
    return segmenter


def _told(summary: Summary, seconds: float) -> str:
    """One line: what was done, how long it took from the program's start, and where it is."""
    pictures = len(summary.written) - summary.videos
    parts = [f"{count} {kind}{'s' * (count > 1)}" for count, kind in _counted(pictures, summary.videos)]
    line = " and ".join(parts)
    if summary.videos:
        line += f", {summary.frames} frames"
    if parts:
        line += f" in {seconds:.1f} s"
    if summary.frames > 1 and parts:
        line += f" ({summary.frames / seconds:.1f} a second)"
    if summary.done_before:
        kept = f"{len(summary.done_before)} done before (--overwrite does them again)"
        line += f"; {kept}" if line else kept
    folders = {path.parent for path in (*summary.written, *summary.done_before)}
    where = summary.written[0] if len(summary.written) == 1 else Path(os.path.commonpath([*map(str, folders)]))
    return f"{line}: {where}"


def _counted(pictures: int, videos: int) -> list[tuple[int, str]]:
    return [(count, kind) for count, kind in ((pictures, "picture"), (videos, "video")) if count]


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
    light_wrap: LightWrap = 0.0,
    align: Annotated[
        bool,
        typer.Option("--align", help="Each picture with its own mask, a little later; slow models show fewer."),
    ] = False,
    auto_frame: Annotated[bool, typer.Option("--auto-frame", help="Follow the person by a slow crop.")] = False,
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
    from ..runtime.live.camera import Source, open_source
    from ..runtime.live.framing import AutoFrame
    from ..runtime.live.sinks import Preview, Recorder, VirtualCamera
    from ..runtime.live.watchers import OnDemand
    from ..runtime.live.webcam import KEYS, Controls, Sink, Webcam, parse_backgrounds
    from ..runtime.segmenter import Segmenter

    if not (preview or record or virtual_camera or frames):
        raise InputError("--no-preview needs --record, --virtual-camera or --frames: else nothing would come of it")
    height, width = _camera_size(size)
    controls = Controls(parse_backgrounds(background or []), mirror=mirror)
    segmenters = [Segmenter.load(model, threads=1, device=device) for _ in range(threads)]
    if device != "auto":
        console.print(f"model on: {device_of(segmenters[0].backend)}")
    with ExitStack() as opened:  # until the session, which closes them, has them
        sinks: list[Sink] = [Recorder(record)] if record else []
        source: Source = open_source(camera, (height, width), loop, console.print)
        opened.callback(source.close)
        window = Preview() if preview else None
        sinks += [window] if window else []
        for sink in sinks:
            opened.callback(sink.close)
        if virtual_camera:
            watched = VirtualCamera(source.rate)
            sinks.append(watched)
            if camera.isdigit() and not (preview or record):  # else somebody sees the pictures anyway
                source = OnDemand(
                    source, lambda: open_source(camera, (height, width)), watched.is_watched, console.print
                )
        opened.pop_all()
    if window:
        console.print(KEYS)
    keys = window.key if window else lambda: ""
    framing = AutoFrame() if auto_frame else None
    session = Webcam(
        source, segmenters, controls, sinks, keys, smooth, edge_refine, light_wrap, align, framing, say=console.print
    )
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

    from ..runtime.shipped import find_model
    from ..runtime.web.lan import doorway, serve
    from ..runtime.web.server import PageServer, resources

    site = resources([find_model(model) for model in models or ("nano", "small", "mobile")])
    with doorway(lan) as (address, certificate):
        serve(PageServer(site, address, port, secrets.token_urlsafe(12) if lan else "", certificate), lan)
