"""History: commits of a repository or a path, and the last commit of each entry of a folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from hubd.errors import Unavailable
from hubd.git.process import Git
from hubd.procs import Child

# NUL ends each field; no value can hold one.
_FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%s", "%b")
_FORMAT = "%x00".join(_FIELDS) + "%x00"
_COUNT = len(_FIELDS)
_READ = 65536
_MAX_MESSAGE = 65536
_MAX_FIELD = 16 * 1024 * 1024


class Person(msgspec.Struct, frozen=True):
    """Who a commit names, and when (UTC epoch seconds)."""

    name: str
    email: str
    time: float


class CommitInfo(msgspec.Struct, frozen=True):
    """A commit's facts, as text for people: undecodable bytes are replaced."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    subject: str
    body: str


def _commit(fields: Sequence[bytes]) -> CommitInfo:
    text = [field.decode("utf-8", "replace") for field in fields]
    return CommitInfo(
        oid=text[0].strip(),
        tree=text[1],
        parents=tuple(text[2].split()),
        author=Person(text[3], text[4], _time(text[5])),
        committer=Person(text[6], text[7], _time(text[8])),
        subject=text[9][:1000],
        body=text[10].strip()[:_MAX_MESSAGE],
    )


def _time(text: str) -> float:
    # Clamped: a commit may claim any year.
    try:
        return float(min(max(int(text), 0), 253402300799))
    except ValueError:
        return 0.0


async def log(
    git: Git,
    path: Path,
    commit: str,
    repo_path: str = "",
    *,
    skip: int = 0,
    limit: int = 50,
    exclude: str | None = None,
) -> list[CommitInfo]:
    """Commits from ``commit`` back, newest first; those that ``exclude`` reaches are left out."""
    if limit <= 0:
        return []
    revisions = [commit] if exclude is None else [commit, f"^{exclude}"]
    out = await git.run(
        path,
        "log",
        "--no-show-signature",
        "--no-color",
        values={
            "format": _FORMAT,
            "max-count": str(limit),
            "skip": str(skip),
        },
        args=[*revisions, "--", f":(top,literal){repo_path}"] if repo_path else [*revisions, "--"],
    )
    fields = out.split(b"\0")
    return [_commit(fields[i : i + _COUNT]) for i in range(0, len(fields) - _COUNT, _COUNT)]


async def last_commits(
    git: Git, path: Path, commit: str, folder: str, names: Collection[str]
) -> dict[str, CommitInfo]:
    """The newest commit that touched each of these entries of a folder.

    One streaming log over the folder, ended as soon as every name has been seen.
    """
    child = await git.start(
        path,
        "log",
        "--raw",
        "-z",
        "--no-renames",
        "--no-abbrev",
        "--diff-merges=first-parent",
        "--no-show-signature",
        "--no-color",
        values={"format": "%x01" + _FORMAT},
        args=[commit, "--", f":(top,literal){folder}"] if folder else [commit, "--"],
        stdin=False,
    )
    try:
        return await _last_of(child, folder, set(names))
    finally:
        await child.kill()


async def _last_of(child: Child, folder: str, waiting: set[str]) -> dict[str, CommitInfo]:
    prefix = f"{folder}/" if folder else ""
    found: dict[str, CommitInfo] = {}
    now: CommitInfo | None = None
    reader = _Fields(child)
    while waiting and (field := await reader.next()) is not None:
        if b"\x01" in field:
            head = [field.rpartition(b"\x01")[2]]
            while len(head) < _COUNT and (more := await reader.next()) is not None:
                head.append(more)
            now = _commit(head) if len(head) == _COUNT else None
        elif field.lstrip(b"\n").startswith(b":"):
            name_field = await reader.next()
            if name_field is None or now is None:
                continue
            name = name_field.decode("utf-8", "surrogateescape").removeprefix(prefix)
            first = name.split("/", 1)[0]
            if first in waiting:
                waiting.discard(first)
                found[first] = now
    return found


class _Fields:
    """NUL-terminated fields of a child's output."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._ready: list[bytes] = []
        self._rest = b""

    async def next(self) -> bytes | None:
        while not self._ready:
            piece = await self._child.read(_READ)
            if not piece:
                return None
            *complete, self._rest = (self._rest + piece).split(b"\0")
            if len(self._rest) > _MAX_FIELD:
                raise Unavailable("A commit's text is too long to read.")
            self._ready = complete[::-1]
        return self._ready.pop()
