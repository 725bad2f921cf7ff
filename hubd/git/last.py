"""The last commit of each entry of a folder, as ``git log -1`` on each would say, in one walk.

``rev-list`` hands the folder's history straight to ``diff-tree``, which tells how the root's
entries differ from each parent's. For a folder below the root ``cat-file`` finds its tree on both
sides, and a second ``diff-tree`` compares these pairs, one level deep. So no subfolder is ever
listed (a "tree bomb" stays small), and every name is followed through merges on its own: to the
first parent that has the same entry. Where no parent has, that commit is the answer. The walk ends
when every name has its answer.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path

from hubd.errors import Unavailable
from hubd.git.argv import empty_tree
from hubd.git.log import CommitInfo, parse_commit
from hubd.git.objects import Batch
from hubd.git.process import Git
from hubd.git.streams import records
from hubd.procs import Child

DEFAULT_SECONDS = 10.0
_TREE = b"040000"
# Fits into the smallest pipe (pipe(7)), so that asking never waits for the reader of an answer.
_PORTION_BYTES = 4096
_MARK = re.compile(rb"commit ([0-9a-f]+)((?: [0-9a-f]+)*)(?: \(from ([0-9a-f]+)\))?\Z")
_RAW = re.compile(rb":?(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) [A-Z]\Z")
_READ = 65536


@dataclass(slots=True)
class _Step:
    """A commit of the folder's history and the names that differ from each of its parents."""

    oid: str
    parents: list[str]
    text: bytes
    changed: dict[str, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Difference:
    """One parent's side of a step: names, or the folder's trees, which are compared later."""

    oid: str
    parents: list[str]
    against: str
    text: bytes
    names: set[str] = field(default_factory=set)
    trees: tuple[str, str] | None = None


async def last_commits(
    git: Git,
    path: Path,
    commit: str,
    folder: str,
    names: Collection[str],
    *,
    seconds: float = DEFAULT_SECONDS,
) -> dict[str, CommitInfo]:
    """The newest commit that touched each of these entries of a folder.

    Names that were not settled after ``seconds`` are missing: a page without some is better than
    none. ``names`` have undecodable bytes as surrogates, as ``TreeEntry.name``.
    """
    walk = _Walk(set(names))
    if not walk.waiting:
        return {}
    try:
        async with asyncio.timeout(seconds), AsyncExitStack() as stack:
            child = await _history(git, path, commit, folder, stack)
            differences = _differences(child, below=bool(folder))
            steps = await stack.enter_async_context(aclosing(differences))
            pairs = _Pairs(git, path, folder) if folder else None
            if pairs is not None:
                stack.push_async_callback(pairs.close)
            await walk.run(steps, pairs)
    except TimeoutError:
        pass
    return walk.found


async def _history(git: Git, path: Path, commit: str, folder: str, stack: AsyncExitStack) -> Child:
    """Start ``rev-list | diff-tree``; returns the second."""
    paths = [folder] if folder else []
    read_end, write_end = os.pipe()
    try:
        lister = await git.start(
            path,
            "rev-list",
            "--parents",
            "--full-history",
            "--date-order",
            args=[commit],
            paths=paths,
            stdin=False,
            stdout_fd=write_end,
        )
        stack.push_async_callback(lister.kill, 0)
        child = await git.start(
            path,
            "diff-tree",
            "--stdin",
            "--always",
            "--parents",
            "-m",
            "--root",
            "-z",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--pretty=raw",
            paths=paths,
            stdin_fd=read_end,
        )
        stack.push_async_callback(child.kill, 0)
    finally:
        os.close(read_end)
        os.close(write_end)
    return child


async def _differences(child: Child, *, below: bool) -> AsyncGenerator[_Difference, None]:
    """Parse what ``diff-tree -m --pretty=raw -z`` prints."""
    now: _Difference | None = None
    raw: re.Match[bytes] | None = None
    async with aclosing(records(child)) as fields:
        async for record in fields:
            if raw is not None and now is not None:
                if below:
                    now.trees = _trees(raw)
                else:
                    now.names.add(os.fsdecode(record))
                raw = None
                continue
            head, _, last = record.rpartition(b"\n:")
            raw = _RAW.match(last if head else record)
            text = head if raw is not None else record
            if text.startswith(b"commit "):
                if now is not None:
                    yield now
                now = _begin(text)
    if now is not None:
        yield now


def _begin(text: bytes) -> _Difference:
    mark, _, rest = text.partition(b"\n")
    match = _MARK.match(mark)
    if match is None:
        raise Unavailable("git's history is malformed.")
    parents = match[2].decode().split()
    against = match[3].decode() if match[3] else (parents[0] if parents else "")
    return _Difference(match[1].decode(), parents, against, rest)


def _trees(raw: re.Match[bytes]) -> tuple[str, str]:
    """The folder's tree before and after; where it was none, the empty one."""
    before_mode, after_mode, before, after = raw.groups()
    empty = empty_tree(after.decode())
    return (
        before.decode() if before_mode == _TREE else empty,
        after.decode() if after_mode == _TREE else empty,
    )


class _Walk:
    """Which commit each name waits at, and the answers."""

    def __init__(self, waiting: set[str]) -> None:
        self.waiting = waiting
        self.found: dict[str, CommitInfo] = {}
        self._at: dict[str, set[str]] | None = None

    async def run(
        self, differences: AsyncGenerator[_Difference, None], pairs: _Pairs | None
    ) -> None:
        """Take steps until every name has its answer or the history ends."""
        step: _Step | None = None
        portion: list[_Difference] = []
        async for difference in differences:
            portion.append(difference)
            if pairs is not None and len(portion) < pairs.portion(difference.oid):
                continue
            step = await self._take(portion, pairs, step)
            portion = []
            if not self.waiting:
                return
        step = await self._take(portion, pairs, step)
        if step is not None:
            self._settle(step)

    async def _take(
        self, portion: Sequence[_Difference], pairs: _Pairs | None, step: _Step | None
    ) -> _Step | None:
        """Fold differences into steps; the last step may have more parents to come."""
        if pairs is not None:
            await pairs.fill(portion)
        for difference in portion:
            if step is None or step.oid != difference.oid:
                if step is not None:
                    self._settle(step)
                step = _Step(difference.oid, difference.parents, difference.text)
            step.changed.setdefault(difference.against, set()).update(difference.names)
        return step

    def _settle(self, step: _Step) -> None:
        if self._at is None:
            self._at = {step.oid: set(self.waiting)}
        for name in self._at.pop(step.oid, set()):
            same = (p for p in step.parents if name not in step.changed.get(p, ()))
            parent = next(same, None)
            if parent is not None:
                self._at.setdefault(parent, set()).add(name)
            else:
                self.found[name] = parse_commit(step.oid, step.text, b"    ")
                self.waiting.discard(name)


class _Pairs:
    """Compares pairs of trees, one level deep, by one ``diff-tree --stdin``."""

    def __init__(self, git: Git, path: Path, folder: str) -> None:
        self._git = git
        self._path = path
        # Without a recursive listing, diff-tree names the first component only.
        self._below = folder.partition("/")[2]
        self._batch = Batch(git, path)
        self._child: Child | None = None
        # diff-tree repeats a line that is no object id and flushes; a path cannot guess this one.
        self._mark = f"end {secrets.token_hex(16)}\n".encode()

    async def close(self) -> None:
        """End the children."""
        await self._batch.close()
        if self._child is not None:
            await self._child.kill(0)

    @staticmethod
    def portion(oid: str) -> int:
        """How many pairs may be asked at once."""
        return _PORTION_BYTES // (2 * len(oid) + 2) - 1

    async def fill(self, differences: Sequence[_Difference]) -> None:
        """Set the names of those that have trees."""
        wanted = [d for d in differences if d.trees is not None]
        pairs = [d.trees for d in wanted if d.trees is not None]
        if self._below and pairs:
            pairs = await self._descend(pairs)
            wanted = [d for d, (old, new) in zip(wanted, pairs, strict=True) if old != new]
            pairs = [(old, new) for old, new in pairs if old != new]
        if wanted:
            self._parse(await self._compare(pairs), wanted)

    async def _descend(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        specs = [f"{oid}:{self._below}" for pair in pairs for oid in pair]
        empty = empty_tree(pairs[0][0])
        infos = await self._batch.info_many(specs)
        oids = [info.oid if info is not None and info.kind == "tree" else empty for info in infos]
        return list(zip(oids[::2], oids[1::2], strict=True))

    async def _compare(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        if self._child is None:
            self._child = await self._git.start(
                self._path, "diff-tree", "--stdin", "-z", "--raw", "--no-abbrev", "--no-renames"
            )
        lines = b"".join(f"{old} {new}\n".encode() for old, new in pairs)
        try:
            await self._child.write(lines + self._mark)
        except BrokenPipeError:
            raise Unavailable("git could not compare folders.") from None
        answer = bytearray()
        while not answer.endswith(self._mark):
            piece = await self._child.read(_READ)
            if not piece:
                details = {"stderr": self._child.error_text}
                raise Unavailable("git could not compare folders.", details=details)
            answer += piece
        return bytes(answer[: -len(self._mark)])

    @staticmethod
    def _parse(answer: bytes, wanted: Sequence[_Difference]) -> None:
        """Read ``OLD NEW LF`` and entries ``:… NUL NAME NUL`` for each pair, in order."""
        position = -1
        fields = iter(answer.split(b"\0"))
        for item in fields:
            *heads, last = item.split(b"\n")
            position += len(heads)
            if _RAW.match(last):
                wanted[position].names.add(os.fsdecode(next(fields, b"")))
