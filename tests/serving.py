"""A server in a thread, for the time of a test, and clients that keep it waiting."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from portraitnet.runtime.web import server as server_module
from portraitnet.runtime.web.server import PageServer

PATIENT = 30  # seconds after which a test gives up: no measure of anything


@contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENT)


class Watch:
    """In the place of threading.Timer: the time is up when a test says so."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self.seconds, self.time_is_up, self.cancelled = seconds, action, False

    def start(self) -> None:
        """Replaced by `watches_of`."""

    def cancel(self) -> None:
        self.cancelled = True


def watches_of(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[Watch]:
    """The page server's watches over its clients from now on, in the order in which they are set."""
    made: queue.Queue[Watch] = queue.Queue()
    monkeypatch.setattr(Watch, "start", lambda watch: made.put(watch))
    monkeypatch.setattr(server_module.threading, "Timer", Watch)
    return made


def connect(server: PageServer) -> socket.socket:
    """A client that has said nothing yet."""
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENT)


def is_hung_up(client: socket.socket) -> bool:
    """Waits until the server says something, or nothing more."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
