"""Writing so that an interruption never leaves half a file, and hashing what was written."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


@contextmanager
def write_beside(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `target`; rename it onto `target` when the block succeeds.

    Raises OutputError (an InputError) when the folder cannot be written or the disk is full; `target` is
    then untouched.
    """
    target = Path(target)
    with _clear_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            # The name, and so the suffix that many writers go by, stays the target's own.
            temporary = Path(scratch) / target.name
            yield temporary
            temporary.replace(target)


@contextmanager
def write_folder_beside(target: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `target`; swap it in for `target` when the block succeeds.

    An older `target` is replaced as a whole, so a reader never sees old and new files mixed.
    """
    target = Path(target)
    with _clear_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            fresh, old = Path(scratch) / "new", Path(scratch) / "old"
            fresh.mkdir()
            yield fresh
            if target.exists():
                target.replace(old)
            try:
                fresh.replace(target)
            except OSError:
                if old.exists():
                    old.replace(target)
                raise


def write_text(target: str | Path, text: str) -> None:
    """Write UTF-8 text to `target`, whole or not at all."""
    with write_beside(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(path: str | Path) -> str:
    """SHA-256 (hex) of a file, or of a folder's files in path order (an .mlpackage is a folder)."""
    path = Path(path)
    digest = hashlib.sha256()
    parts = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for part in parts:
        if part != path:
            digest.update(part.relative_to(path).as_posix().encode() + b"\0")
        with part.open("rb") as handle:
            for block in iter(lambda: handle.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()


def bytes_of(path: str | Path) -> int:
    """Size in bytes of a file, or of all files of a folder."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


@contextmanager
def _clear_os_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError):  # what the block itself was reading, not our writing
            raise
        free = shutil.disk_usage(_existing_parent(target)).free / 2**20
        reason = error.strerror or error
        raise OutputError(
            f"cannot write {target}: {reason} ({free:.0f} MiB free there); nothing was left half-written"
        ) from error


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in [path, *path.absolute().parents] if parent.exists())
