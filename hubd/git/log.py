"""History: the commits of a repository or of one path, and what a commit object says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hubd.errors import Unavailable
from hubd.git.process import Git
from hubd.git.streams import records
from hubd.procs import Child

_MAX_SUBJECT = 1000
_MAX_BODY = 65536
LATEST = 253402300799  # the last second of the year 9999
_PERSON = re.compile(rb"(.*?) ?<([^>\n]*)>(?: +(-?\d{1,20}))?(?: +([+-]\d{4}))?")
_SIGNATURES = {
    b"-----BEGIN PGP": "pgp",
    b"-----BEGIN SSH": "ssh",
    b"-----BEGIN SIGNED": "x509",
}


class Person(msgspec.Struct, frozen=True):
    """Who a commit names, and when (UTC epoch seconds; ``tz`` in minutes east of UTC)."""

    name: str
    email: str
    time: float
    tz: int = 0


class CommitInfo(msgspec.Struct, frozen=True):
    """A commit's facts, as text for people: undecodable bytes are replaced.

    ``signature`` is pgp, ssh or x509 if there is one; nobody has verified it.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    subject: str
    body: str
    signature: str | None = None


NOBODY = Person("", "", 0.0)


def parse_commit(oid: str, text: bytes, indent: bytes = b"") -> CommitInfo:
    """Parse a commit object, or its raw form in a log, whose message is indented.

    Never fails: what a hostile or old tool left out is empty.
    """
    head, _, message = text.partition(b"\n\n")
    tree = ""
    parents: list[str] = []
    people = {b"author": NOBODY, b"committer": NOBODY}
    signature = None
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree":
            tree = value.decode("ascii", "replace")
        elif key == b"parent":
            parents.append(value.decode("ascii", "replace"))
        elif key in people:
            people[key] = parse_person(value)
        elif key in {b"gpgsig", b"gpgsig-sha256"}:
            signature = next((v for k, v in _SIGNATURES.items() if value.startswith(k)), "other")
    subject, body = _parts(message, indent)
    return CommitInfo(
        oid, tree, tuple(parents), people[b"author"], people[b"committer"], subject, body, signature
    )


def parse_person(value: bytes) -> Person:
    """Parse ``NAME <EMAIL> SECONDS ZONE``; what is malformed is empty."""
    match = _PERSON.match(value)
    if match is None:
        return Person(_text(value[:_MAX_SUBJECT]), "", 0.0)
    name, email, seconds, zone = match.groups()
    # Clamped: a commit may claim any year.
    time = min(max(int(seconds or 0), 0), LATEST)
    minutes = int(zone[1:3]) * 60 + int(zone[3:]) if zone else 0
    if zone and zone.startswith(b"-"):
        minutes = -minutes
    return Person(_text(name[:_MAX_SUBJECT]), _text(email[:_MAX_SUBJECT]), float(time), minutes)


def _parts(message: bytes, indent: bytes) -> tuple[str, str]:
    """The first paragraph on one line, and the rest."""
    lines = [line.removeprefix(indent).rstrip() for line in message[: 2 * _MAX_BODY].split(b"\n")]
    while lines and not lines[0]:
        lines.pop(0)
    end = lines.index(b"") if b"" in lines else len(lines)
    subject = _text(b" ".join(lines[:end]))[:_MAX_SUBJECT]
    return subject, _text(b"\n".join(lines[end:])).strip("\n")[:_MAX_BODY]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


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
    """Commits from ``commit`` back, newest first; those that ``exclude`` reaches are left out.

    Raises ``Unavailable`` after ``git_timeout`` seconds.
    """
    if limit <= 0:
        return []
    child = await git.start(
        path,
        "rev-list",
        "--header",
        values={"max-count": str(limit), "skip": str(max(skip, 0))},
        args=_revisions(commit, exclude),
        paths=[repo_path] if repo_path else [],
        stdin=False,
    )
    try:
        async with asyncio.timeout(git.timeout):
            commits = await _read_log(child)
            if await child.wait():
                raise Unavailable(
                    "git could not read the history.", details={"stderr": child.error_text}
                )
    except TimeoutError:
        raise Unavailable("Reading this history takes too long.") from None
    finally:
        await asyncio.shield(child.kill())
    return commits


def _revisions(commit: str, exclude: str | None) -> Sequence[str]:
    return [commit] if exclude is None else [commit, f"^{exclude}"]


async def _read_log(child: Child) -> list[CommitInfo]:
    commits: list[CommitInfo] = []
    async for record in records(child):
        oid, _, text = record.partition(b"\n")
        if text:
            commits.append(parse_commit(oid.decode("ascii", "replace"), text, b"    "))
    return commits


async def count(
    git: Git,
    path: Path,
    commit: str,
    repo_path: str = "",
    *,
    limit: int = 100_000,
    exclude: str | None = None,
) -> int:
    """How many commits ``log`` would list in all; counting stops at ``limit``."""
    out = await git.run(
        path,
        "rev-list",
        "--count",
        values={"max-count": str(limit)},
        args=_revisions(commit, exclude),
        paths=[repo_path] if repo_path else [],
    )
    return int(out)
