"""What changed between two commits, parsed from git's own output under limits.

Our own walk counts the changed files first: git would gather all of them in memory, and a few
objects can name billions. Above the limit git is asked for the first ones only, by their paths.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from hubd.errors import NotFound, Unavailable
from hubd.git.argv import empty_tree
from hubd.git.objects import Batch
from hubd.git.process import Git
from hubd.git.streams import records
from hubd.git.treewalk import Change, Walk, changes

_HUNK = re.compile(rb"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)")
_STATUS = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "T": "retyped"}
# Paths of so many bytes may stand on one command line (execve(2) allows more).
_MAX_PATHS_BYTES = 512 * 1024
_NO_MODE = 0


class Limits(msgspec.Struct, frozen=True):
    """What a difference shows at most; sizes in bytes, ``line`` in characters."""

    files: int = 300
    counted_files: int = 3000
    trees: int = 20_000
    patch_bytes: int = 2 * 1024 * 1024
    lines_per_file: int = 3000
    line: int = 2000


class Line(msgspec.Struct, frozen=True):
    """A line of a hunk: kind ``' '``, ``'+'`` or ``'-'``, its numbers and its text."""

    kind: str
    old_no: int | None
    new_no: int | None
    text: str


class Hunk(msgspec.Struct, frozen=True):
    """Lines that changed together; ``header`` is what git says after the second ``@@``."""

    header: str
    lines: list[Line]


class FileDiff(msgspec.Struct, frozen=True):
    """One file: how it changed, and by which lines unless it is binary or too large.

    Modes are 0 and ids zeros where a side has no such file; ``truncated`` if lines are missing.
    """

    old_path: str
    new_path: str
    status: str
    old_mode: int
    new_mode: int
    old_oid: str
    new_oid: str
    binary: bool = False
    additions: int = 0
    deletions: int = 0
    hunks: list[Hunk] = []
    truncated: bool = False


class Diff(msgspec.Struct, frozen=True):
    """The files that differ; ``truncated`` if there are more than shown.

    ``files_total`` is at least this many; additions and deletions are those of the files shown.
    """

    files: list[FileDiff]
    files_total: int
    additions: int
    deletions: int
    truncated: bool


_DEFAULT = Limits()


async def merge_base(
    git: Git, path: Path, base: str, head: str, env_extra: Mapping[str, str] | None = None
) -> str | None:
    """The commit where two histories parted; None if they never met."""
    out = await git.run(path, "merge-base", args=[base, head], ok_codes=(0, 1), env_extra=env_extra)
    return out.decode().strip() or None


async def ahead_behind(git: Git, path: Path, base: str, head: str) -> tuple[int, int]:
    """How many commits only ``base`` has, and only ``head``."""
    sides = [f"{base}...{head}"]
    out = await git.run(path, "rev-list", "--left-right", "--count", args=sides, paths=[])
    behind, ahead = out.split()
    return int(behind), int(ahead)


async def diff(git: Git, path: Path, old: str | None, new: str, limits: Limits = _DEFAULT) -> Diff:
    """The difference of two commits' trees; ``old`` None compares with nothing.

    Raises ``NotFound`` for an id that is no commit or tree.
    """
    found, walk = await _changed(git, path, old, new, limits)
    if not found:
        return Diff([], 0, 0, 0, truncated=walk.cut)
    more = walk.cut or len(found) > limits.files
    asked = _askable(found[: limits.files]) if more else None
    job = _Job(git, path, old or empty_tree(new), new, asked, limits)
    files = await job.files()
    if more:
        shown = {file.new_path for file in files}
        files += [_bare(change) for change in found[: limits.files] if change.path not in shown]
    return Diff(
        files=files,
        files_total=len(files) if not more else len(found),
        additions=sum(file.additions for file in files),
        deletions=sum(file.deletions for file in files),
        truncated=more,
    )


async def _changed(
    git: Git, path: Path, old: str | None, new: str, limits: Limits
) -> tuple[list[Change], Walk]:
    walk = Walk(limits.trees)
    found: list[Change] = []
    async with Batch(git, path) as batch:
        trees = [await batch.tree_of(oid) if oid is not None else None for oid in (old, new)]
        if trees[1] is None or (trees[0] is None and old is not None):
            raise NotFound("There is no such commit.")
        async with aclosing(changes(batch, trees[0], trees[1], walk)) as differing:
            async for change in differing:
                found.append(change)
                if len(found) > limits.counted_files:
                    walk.cut = True
                    break
    return found, walk


def _askable(found: Sequence[Change]) -> list[str]:
    """Paths that git may be given: none that is a folder on the other side, as it would list it."""
    paths: list[str] = []
    room = _MAX_PATHS_BYTES
    for change in found:
        room -= len(change.path.encode("utf-8", "surrogateescape"))
        if room > 0 and not change.replaced:
            paths.append(change.path)
    return paths


def _bare(change: Change) -> FileDiff:
    """A file of which only the fact is told that it changed."""
    old, new = change.old, change.new
    zero = "0" * max(len(entry.oid) for entry in (old, new) if entry is not None)
    status = "added" if old is None else "deleted" if new is None else "modified"
    name = _shown(change.path)
    return FileDiff(
        old_path=name,
        new_path=name,
        status=status,
        old_mode=old.mode if old else _NO_MODE,
        new_mode=new.mode if new else _NO_MODE,
        old_oid=old.oid if old else zero,
        new_oid=new.oid if new else zero,
        truncated=True,
    )


class _Job:
    """Two questions to git about the same two trees."""

    def __init__(
        self, git: Git, path: Path, old: str, new: str, paths: list[str] | None, limits: Limits
    ) -> None:
        self._git = git
        self._path = path
        self._trees = [old, new]
        self._paths = paths
        self._limits = limits
        renames = "--find-renames" if paths is None else "--no-renames"
        self._flags = ("-r", renames, "--no-ext-diff", "--no-textconv", "--no-color")

    async def files(self) -> list[FileDiff]:
        """Every file with its lines."""
        if self._paths is not None and not self._paths:
            return []
        files = await self._listed()
        patches = await self._patches(files)
        return [
            file if patch is None else _with_hunks(file, *patch)
            for file, patch in zip(files, patches, strict=True)
        ]

    async def _listed(self) -> list[FileDiff]:
        """The files with the numbers of lines, as far as these were counted in time."""
        child = await self._git.start(
            self._path,
            "diff-tree",
            "--raw",
            "--numstat",
            "-z",
            "--no-abbrev",
            *self._flags,
            args=self._trees,
            paths=self._paths or [],
            stdin=False,
        )
        listing = _Listing()
        try:
            async with asyncio.timeout(self._git.timeout), aclosing(records(child)) as fields:
                async for item in fields:
                    listing.take(item)
            if await child.wait():
                details = {"stderr": child.error_text}
                raise Unavailable("git could not compare these commits.", details=details)
        except TimeoutError:
            pass
        finally:
            await asyncio.shield(child.kill(0))
        return listing.files()

    async def _patches(self, files: list[FileDiff]) -> list[tuple[list[Hunk], bool] | None]:
        """Hunks per file and whether some are missing; None where there was no room or time."""
        out = await self._git.run(
            self._path,
            "diff-tree",
            "-p",
            "-U3",
            *self._flags,
            args=self._trees,
            paths=self._paths or [],
            limit=self._limits.patch_bytes,
        )
        return await asyncio.to_thread(_parse_patches, out, files, self._limits)


class _Listing:
    """Collects ``--raw`` and then ``--numstat`` entries of ``diff-tree -z``."""

    def __init__(self) -> None:
        self._raw: list[tuple[list[str], list[bytes]]] = []
        self._counts: list[tuple[bytes, bytes]] = []
        self._names_due = 0

    def take(self, item: bytes) -> None:
        """Take the next NUL-terminated field."""
        if self._names_due:
            self._names_due -= 1
            if len(self._counts) == 0:
                self._raw[-1][1].append(item)
        elif item.startswith(b":"):
            head = item[1:].decode("ascii", "replace").split(" ")
            self._raw.append((head, []))
            self._names_due = 2 if head[4][0] in "RC" else 1
        elif item:
            added, removed, name = item.split(b"\t", 2)
            self._counts.append((added, removed))
            # Of a rename both names follow, each a field of its own.
            self._names_due = 0 if name else 2

    def files(self) -> list[FileDiff]:
        """What is known of each file; without its counts it is marked as truncated."""
        counted = len(self._counts) == len(self._raw)
        made: list[FileDiff] = []
        for number, (head, names) in enumerate(self._raw):
            added, removed = self._counts[number] if counted else (b"0", b"0")
            binary = added == b"-"
            made.append(
                FileDiff(
                    old_path=_text(names[0]),
                    new_path=_text(names[-1]),
                    status=_STATUS.get(head[4][0], "modified"),
                    old_mode=int(head[0], 8),
                    new_mode=int(head[1], 8),
                    old_oid=head[2],
                    new_oid=head[3],
                    binary=binary,
                    additions=0 if binary else int(added),
                    deletions=0 if binary else int(removed),
                    truncated=not counted or not binary,
                )
            )
        return made


def _with_hunks(file: FileDiff, hunks: list[Hunk], truncated: bool) -> FileDiff:  # noqa: FBT001
    return msgspec.structs.replace(file, hunks=hunks, truncated=truncated)


def _parse_patches(
    out: bytes, files: Sequence[FileDiff], limits: Limits
) -> list[tuple[list[Hunk], bool] | None]:
    """Cut the patch into the files' parts, which come in the order of the listing."""
    # Lines of content begin with a space, + or -, so that no file can forge this line.
    sections = re.split(rb"(?m)^diff --git ", out)[1:]
    whole = len(out) < limits.patch_bytes
    found: list[tuple[list[Hunk], bool] | None] = []
    position = 0
    for file in files:
        # Where a file became a link or submodule git writes a deletion and a creation.
        parts = sections[position : position + (2 if file.status == "retyped" else 1)]
        position += len(parts)
        if not parts:
            found.append(None)
            continue
        hunks, cut = _hunks(b"".join(parts), limits)
        last = position >= len(sections)
        found.append((hunks, cut or (last and not whole)))
    return found


def _hunks(section: bytes, limits: Limits) -> tuple[list[Hunk], bool]:
    hunks: list[Hunk] = []
    count = old_no = new_no = 0
    inside = False
    for raw in section.split(b"\n"):
        match = _HUNK.match(raw)
        if match:
            old_no, new_no = int(match[1]), int(match[2])
            hunks.append(Hunk(_text(match[3]).strip(), []))
            inside = True
            continue
        kind = raw[:1].decode("ascii", "replace")
        if not inside or kind not in {" ", "+", "-"}:
            # The head of a second part, or "\ No newline at end of file".
            inside = inside and kind == "\\"
            continue
        count += 1
        if count > limits.lines_per_file:
            return hunks, True
        text = _text(raw[1 : 1 + 4 * limits.line])[: limits.line]
        before = old_no if kind != "+" else None
        after = new_no if kind != "-" else None
        hunks[-1].lines.append(Line(kind, before, after, text))
        old_no += kind != "+"
        new_no += kind != "-"
    return hunks, False


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
