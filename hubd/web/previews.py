"""What people see of files that are no plain text: rows of a table, sizes of large files."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import islice
from pathlib import PurePosixPath

import msgspec

from hubd.core.browse import FileDiff
from hubd.lfs import pointers

INLINE_IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".svg"}
_PLAYED = {
    "audio": {".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a"},
    "video": {".mp4", ".m4v", ".mov", ".webm", ".ogv"},
}
ROWS = 200
COLUMNS = 50
CELL = 300
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_LINES = (".jsonl", ".ndjson")

Table = list[list[str]]


def is_table(name: str) -> bool:
    """Whether a file of this name has rows."""
    return PurePosixPath(name.lower()).suffix in {*_SEPARATORS, *_LINES}


def table(name: str, text: str) -> Table | None:
    """The names of the columns, then the first rows; None where the text is no table."""
    suffix = PurePosixPath(name.lower()).suffix
    try:
        rows = _objects(text) if suffix in _LINES else _cells(text, _SEPARATORS[suffix])
    except (csv.Error, msgspec.DecodeError, RecursionError):
        return None
    width = min(max((len(row) for row in rows), default=0), COLUMNS)
    padded = [(row + [""] * width)[:width] for row in rows]
    return [[_shortened(cell) for cell in row] for row in padded] if width else None


def _cells(text: str, separator: str) -> Table:
    return list(islice(csv.reader(text.splitlines(), delimiter=separator), ROWS + 1))


def _objects(text: str) -> Table:
    """A row for each object; the columns are all names in the order in which they come."""
    lines = islice((line for line in text.split("\n") if line.strip()), ROWS)
    found = [msgspec.json.decode(line, type=dict[str, msgspec.Raw]) for line in lines]
    names = list(dict.fromkeys(name for one in found for name in one))[:COLUMNS]
    return [names, *([_plain(one.get(name)) for name in names] for one in found)]


def _plain(value: msgspec.Raw | None) -> str:
    if value is None:
        return ""
    text = bytes(value).decode("utf-8", "replace")
    return str(msgspec.json.decode(value)) if text.startswith('"') else text


def _shortened(text: str) -> str:
    return text if len(text) <= CELL else text[:CELL] + "…"


def large_change(file: FileDiff) -> tuple[int | None, int | None] | None:
    """The sizes of a large file before and after; None if its pointer is not what changed."""
    sides = [_pointed_to(file, kinds) for kinds in (" -", " +")]
    return (sides[0], sides[1]) if sides != [None, None] else None


def _pointed_to(file: FileDiff, kinds: str) -> int | None:
    if len(file.hunks) != 1 or len(file.hunks[0].lines) > 2 * pointers.MOST_LINES:
        return None
    lines = _texts(file, kinds)
    found = pointers.parse("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    return found.size if found else None


def _texts(file: FileDiff, kinds: str) -> Iterable[str]:
    return (line.text for line in file.hunks[0].lines if line.kind in kinds)


def played_as(path: str) -> str:
    """``audio`` or ``video`` for what a browser plays by its name, else nothing."""
    suffix = PurePosixPath(path.lower()).suffix
    return next((kind for kind, suffixes in _PLAYED.items() if suffix in suffixes), "")


def is_picture(path: str) -> bool:
    """Whether a browser shows a file of this name."""
    return PurePosixPath(path.lower()).suffix in INLINE_IMAGES
