"""What one request may cost, enforced before its bytes are kept: size of the body, and requests under way."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Limits:
    """Bounds of the service."""

    megabytes: float = 20.0  # of a request's body
    megapixels: float = 25.0  # of a picture
    under_way: int = 32  # requests at a time; more are answered with 503

    @property
    def body_bytes(self) -> int:
        return int(self.megabytes * 1e6)

    @property
    def pixels(self) -> int:
        return int(self.megapixels * 1e6)


class _TooLarge(Exception):
    pass


class LimitRequests:
    """ASGI middleware: 413 for a body over the limit, declared or not; 503 when too many requests are under way.

    Only requests with a body count, so that `/health` and `/metrics` answer under load.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits, self.under_way = app, limits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        too_large = JSONResponse({"error": f"the request is larger than {self.limits.megabytes:g} MB"}, 413)
        if declared.isdigit() and int(declared) > self.limits.body_bytes:
            await too_large(scope, receive, send)
            return
        if self.under_way >= self.limits.under_way:
            busy = JSONResponse({"error": "busy; try again"}, 503, {"Retry-After": "1"})
            await busy(scope, receive, send)
            return
        self.under_way += 1
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limits.body_bytes:
                raise _TooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except _TooLarge:
            await too_large(scope, receive, send)
        finally:
            self.under_way -= 1
