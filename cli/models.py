"""`portraitnet models`: what ships, and what each model is for."""

from __future__ import annotations

from ..runtime.errors import InputError


def models_command() -> None:
    """List the models that ship: size, speed, accuracy, and what each is for.

    Use the name, or fast, balanced or best, wherever a command takes a model: portraitnet run photo.jpg --model best
    """
    from ..benchmarks.reporting.shipped import measured_on, shipped_rows
    from ..benchmarks.reporting.table import table

    rows = shipped_rows()
    if not rows:
        raise InputError("this installation holds no shipped weights")
    print(f"{table(rows)}\n\n{measured_on()}")
