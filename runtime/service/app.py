"""The service's routes: POST a picture to /segment; GET /health and /metrics. FastAPI adds /docs."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from PIL import Image, ImageColor
from starlette.datastructures import UploadFile

from ..compositing.composite import Background, Cutout, Picture, cut_out, parse_background, shows_fringe
from ..compositing.fringe import without_fringe
from ..contract import Backend
from ..errors import InputError
from ..media.images import load_image
from ..segmenter import Segmenter
from .batching import BatchingBackend
from .limits import LimitRequests, Limits
from .metrics import ServiceMetrics

Output = Literal["composite", "cutout", "mask"]
Format = Literal["png", "jpeg", "webp"]
_QUALITY = 92


def create_app(backend: Backend, limits: Limits | None = None, refine: bool = False) -> FastAPI:
    """The service around one portrait model. Raises InputError for a model of many classes."""
    if backend.contract.task != "portrait":
        classes = len(backend.contract.classes)
        raise InputError(f"{backend.contract.name} segments {classes} classes; the service needs a portrait model")
    limits = limits or Limits()
    batching = BatchingBackend(backend)
    segmenter = Segmenter(batching, refine)
    metrics = ServiceMetrics(batching)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(batching.close)

    app = FastAPI(
        title="portraitnet",
        description="Portrait segmentation: a picture in, its mask, cut-out or composite out.",
        lifespan=lifespan,
    )
    app.add_middleware(LimitRequests, limits=limits)

    @app.get("/health")
    async def health() -> dict[str, object]:
        """Whether the service is up, and with which model."""
        contract = segmenter.contract
        return {"status": "ok", "model": contract.name, "height": contract.height, "width": contract.width}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def prometheus() -> Response:
        """Counters and histograms for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.post("/segment", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    async def segment(
        request: Request,
        output: Annotated[Output, Query(description="composite, cutout (RGBA) or mask (alpha)")] = "cutout",
        background: Annotated[str, Query(description="blur, blur:STRENGTH or a colour; of a composite")] = "blur",
        format: Annotated[Format, Query(description="of the answer")] = "png",
    ) -> Response:
        """Send the picture as the request's body, or as the form field `file`.

        The form field `background_image` puts a picture behind the person.
        """
        started = time.perf_counter()
        try:
            picture, behind = await _uploads(request)
            scene = _scene(output, background, behind, limits, format)
            work = _work(segmenter, picture, scene, output, format, limits, metrics.pixels.inc)
            answer = Response(await run_in_threadpool(work), media_type=f"image/{format}")
        except InputError as error:
            answer = JSONResponse({"error": str(error)}, 422)
        metrics.requests.labels(output, answer.status_code).inc()
        metrics.seconds.observe(time.perf_counter() - started)
        return answer

    return app


def _work(
    segmenter: Segmenter,
    picture: bytes,
    scene: Background,
    output: Output,
    format: Format,
    limits: Limits,
    count_pixels: Callable[[int], None],
) -> Callable[[], bytes]:
    """All that one request asks of the processor, for a worker thread."""

    def work() -> bytes:
        image = _decode(picture, limits)
        alpha = segmenter.alpha_bytes(image)
        count_pixels(alpha.size)
        if output == "mask":
            return _encode(alpha, format)
        own = without_fringe(image, alpha) if shows_fringe(scene) else image
        result = cut_out(own, alpha) if output == "cutout" else scene.compose(own, alpha)
        return _encode(result, format)

    return work


async def _uploads(request: Request) -> tuple[bytes, bytes | None]:
    """The picture, and the background's picture where there is one."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body(), None
    async with request.form(max_files=2, max_fields=0) as form:
        files = {name: await value.read() for name, value in form.items() if isinstance(value, UploadFile)}
    if "file" not in files:
        raise InputError("the form has no field `file` with a picture")
    return files["file"], files.get("background_image")


def _scene(output: Output, spec: str, behind: bytes | None, limits: Limits, format: Format) -> Background:
    if output == "cutout" and format == "jpeg":
        raise InputError("jpeg holds no transparency; ask for format=png or format=webp")
    if output != "composite":
        return Cutout()
    if behind is not None:
        return Picture(_decode(behind, limits))
    if spec.partition(":")[0] != "blur":
        try:
            ImageColor.getrgb(spec)  # so that no spec opens a file of the server's
        except ValueError as error:
            raise InputError(
                f"background {spec!r} is not blur, blur:STRENGTH or a colour; send a picture as background_image"
            ) from error
    return parse_background(spec)


def _decode(data: bytes, limits: Limits) -> np.ndarray:
    """uint8 RGB height x width x 3 of an uploaded picture, by the loader that every command uses."""
    if not data:
        raise InputError("the request holds no picture: send it as the body, or as the form field `file`")
    with tempfile.NamedTemporaryFile(prefix="portraitnet-") as file:
        file.write(data)
        file.flush()
        try:
            return load_image(Path(file.name), max_pixels=limits.pixels)
        except InputError as error:
            raise InputError(str(error).replace(file.name, "the picture")) from error


def _encode(picture: np.ndarray, format: Format) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format.upper(), quality=_QUALITY)
    return stream.getvalue()
