"""What `run` will do, checked before it begins: inputs, results' names, and what is already there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError
from .files import exists, is_folder, reading, refuse_address
from .media.animation import is_animation
from .media.kinds import (
    ANIMATIONS,
    IMAGE_SUFFIXES,
    MOVING_PICTURES,
    TRANSPARENT_IMAGES,
    TRANSPARENT_VIDEOS,
    VIDEO_SUFFIXES,
    WRITABLE_IMAGES,
    WRITABLE_VIDEOS,
    is_image,
    is_video,
    listed,
)
from .notices import notice

OUTPUTS = ("composite", "mask", "cutout", "foreground")
_NUMBERED = re.compile(r"%0?\d*d")  # frames/%04d.png
# Of results whose source's own kind cannot be written.
_INSTEAD = {".jfif": ".jpg", ".heic": ".jpg", ".heif": ".jpg", ".gif": ".png", ".avi": ".mp4"}


@dataclass(frozen=True)
class Job:
    """One input file and where its result goes."""

    source: Path
    target: Path
    is_animation: bool = False  # frames become an animated GIF, PNG or WebP

    @property
    def is_video(self) -> bool:
        return is_video(self.source)

    @property
    def is_moving(self) -> bool:
        """Whether there are several frames to do."""
        return self.is_video or self.is_animation

    @property
    def is_numbered(self) -> bool:
        """Whether a video becomes a folder of numbered pictures."""
        return self.is_video and bool(_NUMBERED.search(self.target.name))

    def number(self, index: int) -> str:
        """The name of picture `index` (from 1) of numbered pictures."""
        return self.target.name % index

    @property
    def first_file(self) -> Path:
        """The file that exists if this job was done."""
        return self.target.with_name(self.number(1)) if self.is_numbered else self.target


@dataclass(frozen=True)
class Plan:
    """The jobs to do, and those of which the results were there already."""

    jobs: tuple[Job, ...]
    done_before: tuple[Job, ...] = ()

    @property
    def has_video(self) -> bool:
        return any(job.is_moving for job in self.jobs)


@dataclass(frozen=True)
class _Found:
    """An input file; `inside` is its place below `folder`, the folder that was named, if one was."""

    file: Path
    folder: Path | None = None

    @property
    def inside(self) -> Path:
        return self.file.relative_to(self.folder) if self.folder else Path(self.file.name)


def plan(
    inputs: Sequence[str | Path],
    out: str | Path | None,
    output: str = "composite",
    background: str = "blur",
    overwrite: bool = False,
    skip_existing: bool = False,
    recursive: bool = False,
) -> Plan:
    """Check inputs and names; nothing is written.

    Without `out`, results lie beside their inputs: NAME-portrait.SUFFIX, FOLDER-portrait/. Existing results are an
    error, but for files of a folder (or with `skip_existing`): those were done by an earlier run. Raises InputError.
    """
    if output not in OUTPUTS:
        raise InputError(f"output {output!r} is not one of {', '.join(OUTPUTS)}")
    if not inputs:
        raise InputError("no input: name pictures, videos or folders")
    for name in (*inputs, out or "", background):
        refuse_address(str(name))
    transparent = output == "cutout"
    found = [file for name in inputs for file in _expand(Path(name), recursive)]
    into = _folder_for(found, out)
    jobs = [_job(one, into, out, output) for one in found]
    for job in jobs:
        _check_target(job, transparent)
    _refuse_shared_names(jobs)
    taken = {_identity(one.file) for one in found} | ({_identity(Path(background))} if exists(background) else set())
    to_do, done = [], []
    for job, one in zip(jobs, found, strict=True):
        if not exists(job.first_file):
            to_do.append(job)
        elif _identity(job.first_file) in taken:
            raise InputError(f"{job.target} is an input and would be overwritten; choose another --out")
        elif overwrite:
            to_do.append(job)
        elif skip_existing or one.folder:
            done.append(job)
        else:
            raise InputError(f"{job.first_file} exists; replace it with --overwrite, or keep it with --skip-existing")
    return Plan(tuple(to_do), tuple(done))


def _expand(source: Path, recursive: bool) -> Iterator[_Found]:
    if not exists(source):
        raise InputError(f"{source} does not exist")
    if not is_folder(source):
        if not (is_image(source) or is_video(source)):
            known = listed(IMAGE_SUFFIXES | VIDEO_SUFFIXES)
            raise InputError(f"{source} is neither picture nor video by its name ({known})")
        yield _Found(source)
        return
    skipped: Counter[str] = Counter()
    files = list(_media_of(source, recursive, skipped))
    if skipped:
        notice(f"{source}: left out " + ", ".join(f"{count} {what}" for what, count in sorted(skipped.items())))
    if not files:
        raise InputError(f"{source} holds no picture or video")
    for file in files:
        yield _Found(file, source)


def _media_of(folder: Path, recursive: bool, skipped: Counter[str]) -> Iterator[Path]:
    with reading(folder):
        entries = sorted(folder.iterdir())
    for path in entries:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not recursive:
                skipped["folders (--recursive takes them too)"] += 1
            elif not path.is_symlink():  # which may lead back here
                yield from _media_of(path, recursive, skipped)
        elif (is_image(path) or is_video(path)) and path.is_file():
            yield path
        else:
            skipped[f"{path.suffix.lower() or 'files without a suffix'}"] += 1


def _folder_for(found: Sequence[_Found], out: str | Path | None) -> Path | None:
    """The folder that `out` names; None when results go beside their inputs, or to one file."""
    if out is None:
        return None
    target = Path(out)
    if len(found) == 1 and found[0].folder is None and not _is_folder(str(out), target):
        return None
    _refuse_no_folder(str(out), target)
    return target


def _job(one: _Found, into: Path | None, out: str | Path | None, output: str) -> Job:
    moving = is_animation(one.file)
    target = _target(one, into, out, output, moving)
    animated = target.suffix.lower() in (MOVING_PICTURES if is_video(one.file) else ANIMATIONS if moving else ())
    return Job(one.file, target, animated and not _NUMBERED.search(target.name))


def _target(one: _Found, into: Path | None, out: str | Path | None, output: str, moving: bool) -> Path:
    name = _result_name(one.file, output, moving)
    if into is not None:
        return into / one.inside.with_name(name)
    if out is not None:
        return Path(out)
    if one.folder is None:
        return one.file.with_name(f"{Path(name).stem}-portrait{Path(name).suffix}")
    root = one.folder.absolute()
    return root.with_name(f"{root.name}-portrait") / one.inside.with_name(name)


def _is_folder(out: str, target: Path) -> bool:
    """Whether `--out` names a folder: it is one, ends in /, or has no suffix of a file."""
    return is_folder(target) or out.endswith(("/", "\\")) or (not _looks_like_file(target) and out != "-")


def _looks_like_file(target: Path) -> bool:
    return bool(re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{1,4}", target.suffix)) or bool(_NUMBERED.search(target.name))


def _refuse_no_folder(out: str, target: Path) -> None:
    if out == "-":
        raise InputError("results are not written to standard output; name a file or a folder with --out")
    if exists(target) and not is_folder(target):
        raise InputError(f"{target} is a file; several results need a folder")
    if not _is_folder(out, target):
        raise InputError(
            f"{target} looks like a file, and there are several results; for a folder of that name write {out}/"
        )


def _result_name(source: Path, output: str, moving: bool) -> str:
    transparent = output == "cutout"
    suffix = source.suffix.lower()
    if is_video(source):
        fits = TRANSPARENT_VIDEOS if transparent else WRITABLE_VIDEOS
        if suffix not in fits:
            suffix = ".mov" if transparent else _INSTEAD.get(suffix, ".mp4")
    elif output == "composite":
        suffix = suffix if suffix in WRITABLE_IMAGES or moving else _INSTEAD.get(suffix, ".png")
    else:
        suffix = ".png"
    return f"{source.stem}{source.suffix if suffix == source.suffix.lower() else suffix}"


def _check_target(job: Job, transparent: bool) -> None:
    suffix = job.target.suffix.lower()
    if job.target.name == "-":
        _refuse_no_folder("-", job.target)
    if job.is_animation:
        return
    if job.is_video and not job.is_numbered:
        if suffix not in WRITABLE_VIDEOS:
            raise InputError(
                f"{job.target}: a video is written to one of {listed(WRITABLE_VIDEOS + MOVING_PICTURES)}, or to "
                "numbered pictures: FOLDER/%04d.png"
            )
        if transparent and suffix not in TRANSPARENT_VIDEOS:
            raise InputError(
                f"{job.target}: {suffix} holds no transparency; write to one of {listed(TRANSPARENT_VIDEOS)}, or to "
                "numbered pictures: FOLDER/%04d.png"
            )
        return
    if suffix not in WRITABLE_IMAGES:
        raise InputError(f"{job.target}: a picture is written to one of {listed(WRITABLE_IMAGES)}")
    if transparent and suffix not in TRANSPARENT_IMAGES:
        raise InputError(f"{job.target} holds no transparency; use one of {listed(TRANSPARENT_IMAGES)}")


def _refuse_shared_names(jobs: Sequence[Job]) -> None:
    sources: dict[Path, Path] = {}
    for job in jobs:
        first = sources.setdefault(job.target.absolute(), job.source)
        if first is not job.source:
            raise InputError(f"{first} and {job.source} would both be written to {job.target}; run them apart")


def _identity(path: Path) -> tuple[int, int]:
    """The file itself: names differ by links, and on a Mac by upper and lower case."""
    status = path.stat()
    return status.st_dev, status.st_ino
