"""Reading with clear errors, writing so that an interruption never leaves half a file, hashing what was written."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError, OutputError

_PREFIX, _SUFFIX = ".portraitnet-", ".partial"  # of folders that hold unfinished files
_FRESH = 60.0  # seconds during which such a folder may not be locked yet
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_swept: set[Path] = set()  # folders that this process has rid of what earlier runs left


def require_file(path: str | Path) -> Path:
    """`path`, once it is known to be a file. Raises InputError when it is none, or the system refuses to say."""
    path = Path(path)
    if not stat.S_ISREG(_mode_of(path)):
        raise InputError(f"{path} does not exist or is not a file")
    return path


def exists(path: str | Path) -> bool:
    """Whether there is such a file or folder. Raises InputError where the system refuses to say."""
    return _mode_of(Path(path)) != 0


def is_folder(path: str | Path) -> bool:
    """Whether there is such a folder. Raises InputError where the system refuses to say."""
    return stat.S_ISDIR(_mode_of(Path(path)))


def _mode_of(path: Path) -> int:
    with reading(path):
        try:
            return path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0


def refuse_address(name: str) -> None:
    """Raise InputError for `https://...` and its kind, which a path would garble."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        raise InputError(f"{name} is an address, and only files are read: download it first")


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns the system's refusals (no permission, a name too long) into an InputError about `path`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{_shortened(path)} cannot be read: {error.strerror or error}") from error


@contextmanager
def write_beside(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `target`; rename it onto `target` when the block succeeds.

    Raises OutputError (an InputError) when the folder cannot be written or the disk is full; `target` is
    then untouched.
    """
    target = Path(target)
    with _clear_os_errors(target), _scratch_beside(target) as scratch:
        # The name, and so the suffix that many writers go by, stays the target's own.
        temporary = scratch / target.name
        yield temporary
        temporary.replace(target)


@contextmanager
def write_folder_beside(target: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `target`; swap it in for `target` when the block succeeds.

    An older `target` is replaced as a whole, so a reader never sees old and new files mixed.
    """
    target = Path(target)
    with _clear_os_errors(target), _scratch_beside(target) as scratch:
        fresh, old = scratch / "new", scratch / "old"
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


@contextmanager
def write_files_beside(folder: str | Path) -> Iterator[Path]:
    """Yield a temporary folder; move its files into `folder`, beside what is there, when the block succeeds."""
    folder = Path(folder)
    with _clear_os_errors(folder), _scratch_beside(folder) as scratch:
        yield scratch
        folder.mkdir(exist_ok=True)
        for file in sorted(scratch.iterdir()):
            file.replace(folder / file.name)


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
def _scratch_beside(target: Path) -> Iterator[Path]:
    """A folder next to `target` that is gone at the end; what earlier runs left there goes too."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        made = tempfile.TemporaryDirectory(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent)
    except OSError as error:  # of any kind, as a missing /proc/x is a FileNotFoundError
        raise _output_error(target, error) from error
    with made as name:
        lock = _locked(Path(name))
        try:
            yield Path(name)
        finally:
            if lock is not None:
                os.close(lock)


def _sweep(folder: Path) -> None:
    """Remove unfinished files of runs that were killed: their folders are locked no more."""
    folder = folder.resolve()
    if folder in _swept:
        return
    _swept.add(folder)
    for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):  # gone meanwhile, or another user's
            lock = _locked(left) if time.time() - left.stat().st_mtime > _FRESH else None
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """A lock on a folder, which the system gives back when this process ends; None: another holds it, or no locks."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing is removed there
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


@contextmanager
def _clear_os_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError):  # what the block itself was reading, not our writing
            raise
        raise _output_error(target, error) from error


def _output_error(target: Path, error: OSError) -> OutputError:
    free = ""
    if error.errno in _FULL:
        free = f" ({shutil.disk_usage(_existing_parent(target)).free / 2**20:.0f} MiB free there)"
    return OutputError(
        f"cannot write {_shortened(target)}: {error.strerror or error}{free}; nothing was left half-written"
    )


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def _shortened(path: str | Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:100]}...{text[-60:]}"
