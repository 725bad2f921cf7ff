"""The refs of a repository at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hubd.errors import Unavailable
from hubd.git.argv import HIDDEN_REFS
from hubd.git.process import Git
from hubd.pktline import HEAD_SIZE, parse_length


@dataclass(frozen=True)
class Refs:
    """All refs by full name, as (object id, id of the tagged object or empty); and HEAD.

    ``head`` is the branch that HEAD names, which need not exist; empty if HEAD names none.
    """

    names: Mapping[str, tuple[str, str]]
    head: str

    def oid_of(self, ref: str) -> str | None:
        """The object a ref points to, or None."""
        found = self.names.get(ref)
        return found[0] if found else None

    @property
    def head_oid(self) -> str | None:
        """The object HEAD leads to; None while its branch does not exist."""
        return self.oid_of(self.head)

    def branch_tip(self, branch: str) -> str | None:
        """The commit of a branch, by its short name."""
        return self.oid_of(f"refs/heads/{branch}")

    def moved(self, moves: Mapping[str, tuple[str, str]]) -> Refs | None:
        """The refs after branches moved (old, new); None where only a reading can tell.

        Creation and deletion would change the order, and a tag's object must be peeled.
        """
        known = all(
            ref.startswith("refs/heads/") and self.oid_of(ref) == old and new.strip("0")
            for ref, (old, new) in moves.items()
        )
        if not known:
            return None
        return Refs(
            {**self.names, **{ref: (new, "") for ref, (_, new) in moves.items()}}, self.head
        )

    @cached_property
    def rendered(self) -> dict[tuple[str, ...], bytes]:
        """Answers to ``ls-refs`` made from this snapshot, by the arguments of the question."""
        return {}

    @cached_property
    def advertised(self) -> frozenset[str]:
        """Every object id that a client of this repository is shown."""
        shown = [
            oid
            for name, pair in self.names.items()
            if not name.startswith(HIDDEN_REFS + "/")
            for oid in pair
        ]
        return frozenset(filter(None, shown))


async def read_refs(git: Git, path: Path) -> Refs:
    """Read them through ``upload-pack``, whatever the ref storage.

    One child tells names, ids, what tags lead to in the end, and HEAD; where many tags are packed
    it takes a twentieth of the time of ``for-each-ref``, which opens each of them.
    """
    child = await git.list_refs(path)
    head = ""
    names: dict[str, tuple[str, str]] = {}
    rest = b""
    try:
        async with asyncio.timeout(git.timeout):
            while piece := await child.read(262144):
                rest += piece
                lines, end = _whole(rest)
                rest = rest[end:]
                for line in lines:
                    oid, name, *attributes = line.split(" ")
                    values = dict(item.split(":", 1) for item in attributes)
                    if name == "HEAD":
                        head = values.get("symref-target", "")
                    else:
                        names[name] = (oid, values.get("peeled", ""))
            if await child.wait() or rest:
                raise Unavailable("git could not list refs.", details={"stderr": child.error_text})
    except TimeoutError:
        raise Unavailable("Listing the refs takes too long.") from None
    finally:
        await asyncio.shield(child.kill())
    return Refs(names, head)


def _whole(data: bytes) -> tuple[list[str], int]:
    """The whole lines in the data, as text, and where the rest begins."""
    lines: list[str] = []
    start = 0
    while start + HEAD_SIZE <= len(data):
        length = parse_length(data[start : start + HEAD_SIZE])
        end = start + max(length, HEAD_SIZE)
        if end > len(data):
            break
        if length > HEAD_SIZE:
            line = data[start + HEAD_SIZE : end].removesuffix(b"\n")
            lines.append(line.decode("utf-8", "surrogateescape"))
        start = end
    return lines, start
