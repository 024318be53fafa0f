"""The terminal: one console on stderr for progress, so that stdout holds results alone."""

from __future__ import annotations

from rich.console import Console

console = Console(stderr=True)
