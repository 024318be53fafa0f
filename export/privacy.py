"""The facts of a run that may be published: without the paths of its maker's data and weights."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

# An absolute path, a home folder, a Windows drive or share, or a way up: at the start, or as a word in a sentence.
_START = r"(?:^|(?<=[\s=:,;('\"]))"
_PLACE = re.compile(rf"{_START}(?:/(?![\s/])|~[^\s/]*/|\.\.[/\\]|[A-Za-z]:[/\\](?!/)|\\\\)")
_WORD = re.compile(r"[^\s,;)'\"]*")


def without_paths(facts: Any) -> Any:
    """A copy of JSON-like `facts` in which every path of a computer is its last name: "/home/me/people" is "people"."""
    if isinstance(facts, dict):
        return {key: without_paths(value) for key, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [without_paths(value) for value in facts]
    return _without_folders(facts) if isinstance(facts, str) else facts


def _without_folders(text: str) -> str:
    if _PLACE.match(text):  # the whole text is a path, which may hold spaces
        return _last_name(text)
    pieces, end = [], 0
    while found := _PLACE.search(text, end):
        word = _WORD.match(text, found.start())
        assert word is not None
        pieces += [text[end : found.start()], _last_name(word.group())]
        end = max(word.end(), found.end())
    return "".join([*pieces, text[end:]])


def _last_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name or "."
