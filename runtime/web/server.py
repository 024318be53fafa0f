"""A server for one page: a fixed list of files, nothing else, whatever the request.

It binds to loopback by default; on a network every address begins with a secret word. The headers isolate
the page, which is what gives WebAssembly its threads. Browsers keep files whose name has their content's hash for
ever, and check all others by ETag. What shrinks is sent compressed.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..backends import MAX_MODEL_BYTES, TfliteBackend
from ..errors import InputError

DIST = Path(__file__).parent / "dist"  # what `make web` builds; wheels bring it
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".tflite": "application/octet-stream",
    ".onnx": "application/octet-stream",
    ".webmanifest": "application/manifest+json",
}
_HASHED = re.compile(r"-[0-9A-Za-z]{8,10}(\.\w+$|/)")
_CONNECTIONS = 32  # at once; a browser opens six
_MAX_BODY = 256 << 10  # bytes that a page may send back
_PATIENCE = 10.0  # seconds for a whole request to arrive, and for the client to take each part of the answer
_WORTH = 0.95  # compressed size over plain size, above which the plain file is sent

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "connect-src 'self' blob:; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Resource:
    """What an address gives: a file, or text made when the server started. `hashed`: the address names the content."""

    type: str
    file: Path | None = None
    content: bytes = b""
    hashed: bool = False

    @property
    def plain(self) -> bytes:
        return self.file.read_bytes() if self.file else self.content

    @cached_property
    def tag(self) -> str:
        """ETag of the content when it was first asked for."""
        return f'"{hashlib.sha256(self.plain).hexdigest()[:20]}"'

    @cached_property
    def packed(self) -> bytes | None:
        """The content by gzip; None where that saves next to nothing, as for most models."""
        plain = self.plain
        packed = gzip.compress(plain, 6, mtime=0)
        return packed if len(packed) < _WORTH * len(plain) else None


def page_files(name: str, dist: Path = DIST) -> dict[str, Resource]:
    """The built page `name` with what all pages share, by address. Raises InputError when the pages are not built."""
    folder = dist / name
    if not (folder / "index.html").is_file():
        raise InputError(
            f"the browser page is not built: run `make web` in a checkout (it needs Node.js); looked in {dist}"
        )
    site: dict[str, Resource] = {}
    for path in sorted([*folder.rglob("*"), *(dist / "shared").rglob("*")]):
        if path.suffix in _TYPES and path.is_file() and not path.name.startswith("."):
            root = folder if path.is_relative_to(folder) else dist
            address = path.relative_to(root).as_posix()
            site[address] = Resource(_TYPES[path.suffix], path, hashed=bool(_HASHED.search(address)))
    site[""] = site["index.html"]
    return site


def resources(models: list[Path], dist: Path = DIST, page: str = "app") -> dict[str, Resource]:
    """Every address of a page that lists its models, as that of `serve` does.

    Raises InputError when it is not built, or for a bad model.
    """
    site = page_files(page, dist)
    listed = []
    for model in models:
        contract = _contract(model)
        address = model_address(model)
        site[address] = model_resource(model)
        facts = {name: getattr(contract, name) for name in ("name", "height", "width", "geometry")}
        listed.append(facts | {"url": address, "bytes": model.stat().st_size})
    site["models.json"] = Resource(_TYPES[".json"], None, json.dumps(listed).encode())
    return site


def model_address(model: Path) -> str:
    """Address of a model's file, with its content's hash. Raises InputError for a name that cannot be in one."""
    if not re.fullmatch(r"[\w.-]+", model.name):
        raise InputError(f"{model.name}: a model's file name here has letters, digits, dots and dashes only")
    return f"models/{model.stem}-{hashlib.sha256(model.read_bytes()).hexdigest()[:10]}{model.suffix}"


def model_resource(model: Path) -> Resource:
    return Resource(_TYPES[model.suffix], model, hashed=True)


def _contract(model: Path) -> Any:
    if model.suffix != ".tflite" or not model.is_file() or model.stat().st_size > MAX_MODEL_BYTES:
        raise InputError(f"{model} is no .tflite file: the page runs those")
    model_address(model)
    contract = TfliteBackend(model, 1).contract
    if contract.task != "portrait":
        raise InputError(f"{model} tells {len(contract.classes)} classes apart; the page wants a portrait model")
    return contract


class PageServer(ThreadingHTTPServer):
    """Serves `site` below /`token`/ (or / without one); `url` is where to open it.

    `receivers` are called with what the page posts to their addresses (at most 256 KiB); an InputError from one is the
    client's fault and told to it in a line.
    """

    daemon_threads = True
    request_queue_size = _CONNECTIONS

    def __init__(
        self,
        site: Mapping[str, Resource],
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        certificate: tuple[Path, Path] | None = None,
        receivers: Mapping[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        self.site, self.host, self.token = site, host, token
        self.receivers = receivers or {}
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: set[socket.socket] = set()
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise InputError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error

    @property
    def origin(self) -> str:
        """What a browser says of the pages that came from here."""
        scheme, usual = ("https", 443) if self._context else ("http", 80)
        # Browsers leave the scheme's own port out.
        return f"{scheme}://{self.host}{'' if self.server_port == usual else f':{self.server_port}'}"

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"{self.origin}/{f'{self.token}/' if self.token else ''}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the client a thread, or hang up when too many are here already."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the client's thread, where a slow TLS handshake harms nobody else."""
        try:
            request.settimeout(_PATIENCE)
            if self._context:
                request = self._context.wrap_socket(request, server_side=True)
            self._open.add(request)
            super().process_request_thread(request, client_address)
        except OSError:  # a client that spoke no TLS, or left
            self.shutdown_request(request)
        finally:
            self._open.discard(request)
            self._places.release()

    def server_close(self) -> None:
        """Stop listening, and hang up on clients that keep their connection: none is answered any more."""
        super().server_close()
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no event."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "portraitnet", ""

    def handle_one_request(self) -> None:
        """One request, which must be here whole within the patience: a byte now and then does not keep a place."""
        watch = threading.Timer(_PATIENCE, self._hang_up)
        watch.daemon = True
        watch.start()
        self._watch = watch
        try:
            super().handle_one_request()
        finally:
            watch.cancel()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)  # which wakes the thread that reads from it

    def do_GET(self) -> None:
        """A file of the site."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Its headers."""
        self._answer(body=False)

    def do_POST(self) -> None:
        """What the site's own page sends to a receiver; other sites' pages are refused."""
        receive = self.server.receivers.get(self._address() or "")
        length = self.headers.get("Content-Length", "")
        self.close_connection = True  # whatever is left unread of a refused body is not taken for the next request
        if receive is None:
            self.send_error(404)
        elif self.headers.get("Origin") != self.server.origin:
            self.send_error(403)
        elif not length.isdigit():
            self.send_error(411)
        elif int(length) > _MAX_BODY:
            self.send_error(413)
        else:
            body = self.rfile.read(int(length))
            self._watch.cancel()
            status, said = 200, b"thank you"
            try:
                receive(body)
            except InputError as error:
                status, said = 400, str(error).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    def _answer(self, body: bool) -> None:
        self._watch.cancel()
        address = self._address()
        found = None if address is None else self.server.site.get(address)
        if found is None:
            self.send_error(404)
            return
        packed = found.packed if "gzip" in self.headers.get("Accept-Encoding", "") else None
        known = found.tag in self.headers.get("If-None-Match", "")
        self.send_response(304 if known else 200)
        self.send_header("ETag", found.tag)
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Cache-Control", "public, max-age=31536000, immutable" if found.hashed else "no-cache")
        if known:
            self.end_headers()
            return
        content = found.plain if packed is None else packed
        self.send_header("Content-Type", found.type)
        self.send_header("Content-Length", str(len(content)))
        if packed is not None:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _address(self) -> str | None:
        """The asked address below the token, without its query; None when the token is not there."""
        path = self.path.partition("?")[0].partition("#")[0]
        prefix = f"/{self.server.token}/" if self.server.token else "/"
        return path[len(prefix) :] if path.startswith(prefix) else None

    def end_headers(self) -> None:
        """Every answer, errors too, carries the site's headers."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody's visit is written down."""
