"""Paths that some file system, command line or person would take for another.

Walks the trees of the pushed tips, each distinct tree once (a "tree bomb" has few of them and
names 10⁹ paths), and skips what the base (the ref before, or the default branch) has in the same
place, since that was looked at when it came.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from hubd.git.trees import TreeEntry, parse_tree
from hubd.hooks.channel import printable
from hubd.hooks.context import PushContext, named
from hubd.names import MAX_PATH_BYTES, MAX_PATH_DEPTH, component_fault
from hubd.types import Finding, Level

_PORTION = 200
_TWIN = "differs from another name in its folder only in case, Unicode form or a trailing dot"


class Paths:
    """Refuses names that lie: .git look-alikes, control characters, twins, endless paths."""

    name = "paths"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """One finding per kind of fault, each with up to 20 paths."""
        walk = _Walk(ctx)
        for update in ctx.tips:
            base = (
                update.old if not update.creates else ctx.refs.branch_tip(ctx.repo.default_branch)
            )
            await walk.tip(update.new, base)
        return [
            Finding(Level.REFUSE, self.name, f"{named(paths)}: {fault}.", "Rename and push again.")
            for fault, paths in walk.faults.items()
        ]


class _Walk:
    def __init__(self, ctx: PushContext) -> None:
        self.ctx = ctx
        self.faults: dict[str, list[str]] = {}
        self._seen: set[str] = set()

    async def tip(self, oid: str, base: str | None) -> None:
        """Walk one pushed tip, breadth first, a portion of trees at a time."""
        root = await self.ctx.batch.tree_of(oid)
        base_root = await self.ctx.batch.tree_of(base) if base else None
        if root is None or root in self._seen or root == base_root:
            return
        self._seen.add(root)
        level: list[tuple[str, str, str | None]] = [("", root, base_root)]
        depth = 0
        while level:
            depth += 1
            if depth > MAX_PATH_DEPTH:
                self._add(f"is deeper than {MAX_PATH_DEPTH} folders", level[0][0])
                return
            following: list[tuple[str, str, str | None]] = []
            for start in range(0, len(level), _PORTION):
                following += await self._portion(level[start : start + _PORTION])
            level = following

    async def _portion(
        self, trees: Sequence[tuple[str, str, str | None]]
    ) -> list[tuple[str, str, str | None]]:
        oids = [oid for _, oid, _ in trees] + [base for _, _, base in trees if base]
        contents = await self.ctx.batch.contents_many(oids)
        following: list[tuple[str, str, str | None]] = []
        for prefix, oid, base in trees:
            entries = parse_tree(contents[oid], len(oid) // 2)
            known = {
                entry.name_raw: entry
                for entry in (parse_tree(contents[base], len(oid) // 2) if base else ())
            }
            self._look(prefix, entries, known)
            for entry in entries:
                before = known.get(entry.name_raw)
                if not entry.is_tree or entry.oid in self._seen:
                    continue
                if before is None or before.oid != entry.oid:
                    self._seen.add(entry.oid)
                    base_oid = before.oid if before is not None and before.is_tree else None
                    following.append((f"{prefix}{entry.name}/", entry.oid, base_oid))
        return following

    def _look(
        self, prefix: str, entries: Sequence[TreeEntry], known: Mapping[bytes, TreeEntry]
    ) -> None:
        twins: dict[str, str] = {}
        for entry in entries:
            path = prefix + entry.name
            twin = twins.setdefault(_fold(entry.name), entry.name)
            if twin != entry.name:
                self._add(_TWIN, f"{prefix}{twin} and {path}")
            if entry.name_raw in known:
                continue
            if fault := component_fault(entry.name):
                self._add(fault, path)
            elif len(path.encode("utf-8", "surrogateescape")) > MAX_PATH_BYTES:
                self._add(f"is longer than {MAX_PATH_BYTES} bytes", path)

    def _add(self, fault: str, path: str) -> None:
        self.faults.setdefault(fault, []).append(printable(path[:400]))


def _fold(name: str) -> str:
    if name.isascii():
        return name.lower().rstrip(". ")
    return unicodedata.normalize("NFC", name).casefold().rstrip(". ")
