"""The refs of a repository at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hubd.git.process import HIDDEN_REFS, Git


@dataclass(frozen=True)
class Refs:
    """All refs by full name, as (object id, id of the tagged object or empty); and HEAD."""

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
    """Read them by git itself, whatever the ref storage."""
    child = await git.start(
        path,
        "for-each-ref",
        "--format=%(objectname) %(*objectname) %(refname)",
        stdin=False,
    )
    names: dict[str, tuple[str, str]] = {}
    rest = b""
    try:
        while piece := await child.read(262144):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                oid, peeled, name = line.split(b" ", 2)
                text = name.decode("utf-8", "surrogateescape")
                names[text] = (oid.decode(), peeled.decode())
        await child.wait()
    finally:
        await child.kill()
    return Refs(names, await _read_head(git, path))


async def _read_head(git: Git, path: Path) -> str:
    # The file is the truth for both ref storages that git 2.39 has; no child for it.
    del git
    text = (path / "HEAD").read_text(encoding="utf-8").strip()
    return text.removeprefix("ref: ").strip()
