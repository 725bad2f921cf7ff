"""What changed between two commits, parsed from git's own output under limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hubd.errors import Invalid
from hubd.git.process import Git, empty_tree

MAX_FILES = 300
MAX_BYTES = 2 * 1024 * 1024
MAX_LINES_PER_FILE = 3000
MAX_LINE = 2000
_HUNK = re.compile(rb"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)")
_STATUS = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "T": "retyped"}


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
    """One file: how it changed, and by which lines unless it is binary or too large."""

    old_path: str
    new_path: str
    status: str
    old_mode: int
    new_mode: int
    old_oid: str
    new_oid: str
    binary: bool
    additions: int
    deletions: int
    hunks: list[Hunk]
    truncated: bool


class Diff(msgspec.Struct, frozen=True):
    """The files that differ; ``truncated`` if there are more than shown."""

    files: list[FileDiff]
    files_total: int
    additions: int
    deletions: int
    truncated: bool


async def merge_base(git: Git, path: Path, base: str, head: str) -> str | None:
    """The commit where two histories parted; None if they never met."""
    out = await git.run(path, "merge-base", args=[base, head], ok_codes=(0, 1))
    return out.decode().strip() or None


async def ahead_behind(git: Git, path: Path, base: str, head: str) -> tuple[int, int]:
    """How many commits only ``base`` has, and only ``head``."""
    out = await git.run(
        path, "rev-list", "--left-right", "--count", args=[f"{base}...{head}", "--"]
    )
    behind, ahead = out.split()
    return int(behind), int(ahead)


async def diff(git: Git, path: Path, old: str | None, new: str) -> Diff:
    """The difference of two commits' trees; ``old`` None compares with nothing."""
    base = old if old is not None else empty_tree(new)
    files, total = await _changed_files(git, path, base, new)
    if not files:
        return Diff([], 0, 0, 0, truncated=False)
    counts = await _counts(git, path, base, new)
    patches = await _patches(git, path, base, new, files)
    shown = [_joined(file, counts, patches) for file in files]
    return Diff(
        files=shown,
        files_total=total,
        additions=sum(added for added, _, _ in counts.values()),
        deletions=sum(removed for _, removed, _ in counts.values()),
        truncated=total > len(files),
    )


_COMMON = ("--no-ext-diff", "--no-textconv", "--find-renames", "-l1000", "--no-color", "-r")


async def _changed_files(git: Git, path: Path, old: str, new: str) -> tuple[list[FileDiff], int]:
    """The first files that differ, without their lines, and how many there are in all."""
    child = await git.start(
        path,
        "diff-tree",
        "--raw",
        "-z",
        "--no-abbrev",
        *_COMMON,
        args=[old, new, "--"],
        stdin=False,
    )
    files: list[FileDiff] = []
    total, rest = 0, b""
    pending: list[bytes] = []
    try:
        while piece := await child.read(65536):
            *fields, rest = (rest + piece).split(b"\0")
            pending += fields
            used = 0
            for file, count in _raw_entries(pending):
                used = count
                total += 1
                if len(files) < MAX_FILES:
                    files.append(file)
            del pending[:used]
            if total > 100 * MAX_FILES:
                break  # a tree bomb names billions of paths
    finally:
        await child.kill()
    return files, total


def _raw_entries(fields: list[bytes]) -> Iterator[tuple[FileDiff, int]]:
    """Complete entries of ``diff-tree --raw -z`` and how many fields are used up to each."""
    position = 0
    while position < len(fields):
        head = fields[position].decode("ascii", "replace").split()
        if len(head) != 5:  # noqa: PLR2004
            raise Invalid("git's list of changes is malformed.")
        status = head[4][0]
        paths = 2 if status in "RC" else 1
        if position + paths >= len(fields):
            return
        names = [_text(f) for f in fields[position + 1 : position + 1 + paths]]
        position += 1 + paths
        yield (
            FileDiff(
                old_path=names[0],
                new_path=names[-1],
                status=_STATUS.get(status, "modified"),
                old_mode=int(head[0].lstrip(":"), 8),
                new_mode=int(head[1], 8),
                old_oid=head[2],
                new_oid=head[3],
                binary=False,
                additions=0,
                deletions=0,
                hunks=[],
                truncated=False,
            ),
            position,
        )


async def _counts(git: Git, path: Path, old: str, new: str) -> dict[str, tuple[int, int, bool]]:
    """Lines added and removed per new path, and whether the file is binary."""
    out = await git.run(
        path, "diff-tree", "--numstat", "-z", *_COMMON, args=[old, new, "--"], limit=MAX_BYTES
    )
    counts: dict[str, tuple[int, int, bool]] = {}
    fields = out.split(b"\0")
    position = 0
    while position < len(fields) - 1:
        parts = fields[position].split(b"\t", 2)
        if len(parts) != 3:  # noqa: PLR2004
            break
        position += 1
        name = parts[2]
        if not name:  # a rename: old and new follow
            name = fields[position + 1]
            position += 2
        binary = parts[0] == b"-"
        added, removed = (0, 0) if binary else (int(parts[0]), int(parts[1]))
        counts[_text(name)] = (added, removed, binary)
    return counts


async def _patches(
    git: Git, path: Path, old: str, new: str, files: list[FileDiff]
) -> dict[str, tuple[list[Hunk], bool]]:
    """Hunks per file, in the order of ``files``; what is over the limits is cut off."""
    whole = len(files) < MAX_FILES
    names = [] if whole else [f":(top,literal){file.new_path}" for file in files]
    out = await git.run(
        path, "diff-tree", "-p", "-U3", *_COMMON, args=[old, new, "--", *names], limit=MAX_BYTES
    )
    patches: dict[str, tuple[list[Hunk], bool]] = {}
    sections = re.split(rb"(?m)^diff --git ", out)[1:]
    for file, section in zip(files, sections, strict=False):
        patches[file.new_path] = _hunks(section)
    if len(out) >= MAX_BYTES and len(sections) <= len(files):
        last = files[len(sections) - 1].new_path if sections else ""
        if last in patches:
            patches[last] = (patches[last][0], True)
    return patches


def _hunks(section: bytes) -> tuple[list[Hunk], bool]:
    hunks: list[Hunk] = []
    count = old_no = new_no = 0
    for raw in section.split(b"\n"):
        match = _HUNK.match(raw)
        if match:
            old_no, new_no = int(match[1]), int(match[2])
            hunks.append(Hunk(_text(match[3]).strip(), []))
            continue
        kind = raw[:1].decode("ascii", "replace")
        if not hunks or kind not in {" ", "+", "-"}:
            continue
        count += 1
        if count > MAX_LINES_PER_FILE:
            return hunks, True
        text = _text(raw[1:])[:MAX_LINE]
        before = old_no if kind != "+" else None
        after = new_no if kind != "-" else None
        hunks[-1].lines.append(Line(kind, before, after, text))
        old_no += kind != "+"
        new_no += kind != "-"
    return hunks, False


def _joined(
    file: FileDiff,
    counts: dict[str, tuple[int, int, bool]],
    patches: dict[str, tuple[list[Hunk], bool]],
) -> FileDiff:
    added, removed, binary = counts.get(file.new_path, (0, 0, False))
    hunks, cut = patches.get(file.new_path, ([], not binary and added + removed > 0))
    return msgspec.structs.replace(
        file, binary=binary, additions=added, deletions=removed, hunks=hunks, truncated=cut
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
