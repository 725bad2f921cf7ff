"""Pointer files: what Git holds in place of a large file (git-lfs ``docs/spec.md``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A pointer is shorter than this, in bytes; a longer file is an ordinary one.
MAX_POINTER = 1024
# Version, object, size, and up to ten extensions.
MOST_LINES = 13
# The shortest that was meant as one, give or take a malformed line.
_SHORTEST = 100
_VERSIONS = (
    b"version https://git-lfs.github.com/spec/v1",
    b"version https://hawser.github.com/spec/v1",
)
_CANONICAL = re.compile(
    rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v1\n"
    rb"(?P<ext>(?:ext-[0-9]-[A-Za-z0-9_-]+ sha256:[0-9a-f]{64}\n)*)"
    rb"oid sha256:(?P<oid>[0-9a-f]{64})\n"
    rb"size (?P<size>0|[1-9][0-9]{0,18})\n\Z"
)
# What makes a file that starts like a pointer one that was meant as such.
_MEANT = re.compile(rb"^\s*oid\s+sha256:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pointer:
    """The large file behind a pointer: its SHA-256 and its size in bytes."""

    oid: str
    size: int


def may_be(size: int) -> bool:
    """Whether a file of this size is worth a look."""
    return _SHORTEST <= size < MAX_POINTER


def parse(data: bytes) -> Pointer | None:
    """The pointer that these bytes are; None unless they have exactly the canonical form."""
    if len(data) >= MAX_POINTER:
        return None
    found = _CANONICAL.match(data)
    if found is None:
        return None
    names = re.findall(rb"^ext-.*? ", found["ext"], re.MULTILINE)
    if names != sorted(set(names)):
        return None
    return Pointer(found["oid"].decode(), int(found["size"]))


def is_malformed(data: bytes) -> bool:
    """Whether this was meant as a pointer but no client would take it for one."""
    return (
        len(data) < MAX_POINTER
        and data.lstrip().startswith(_VERSIONS)
        and _MEANT.search(data) is not None
        and parse(data) is None
    )


def render(pointer: Pointer) -> bytes:
    """The canonical form."""
    return f"{_VERSIONS[0].decode()}\noid sha256:{pointer.oid}\nsize {pointer.size}\n".encode()
