"""`portraitnet api`: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .run import Model, Threads


def api_command(
    model: Model = Path("mobile"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")] = 8000,
    threads: Threads = 2,
    edge_refine: Annotated[
        bool, typer.Option("--edge-refine", help="Draw the outline to the picture's own edges.")
    ] = False,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Largest request.")] = 20.0,
    max_megapixels: Annotated[float, typer.Option(min=0.001, max=100, help="Largest picture.")] = 25.0,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests at a time; more are answered with 503.")] = 32,
) -> None:
    """Serve segmentation over HTTP: POST a picture to /segment, get its mask, cut-out or composite.

    curl --data-binary @portrait.jpg "http://127.0.0.1:8000/segment?output=cutout" -o cutout.png

    Pictures that arrive at the same time run as one batch. /health tells whether it is up, /metrics is for
    Prometheus, /docs shows every option. There is no authentication: put a proxy in front to open it to the world.
    """
    import uvicorn

    from ..runtime.backends import open_backend
    from ..runtime.service.app import create_app
    from ..runtime.service.limits import Limits

    limits = Limits(max_megabytes, max_megapixels, max_requests)
    app = create_app(open_backend(model, threads), limits, edge_refine)
    uvicorn.run(app, host=host, port=port, log_level="info")
