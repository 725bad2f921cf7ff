"""Which commit each line of a file comes from, as git tells it.

Source: "INCREMENTAL OUTPUT" in git's ``Documentation/git-blame.txt``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from hubd.errors import Unavailable
from hubd.git.log import NOBODY, Person, parse_person
from hubd.git.process import Git
from hubd.git.streams import records

_MAX_SUBJECT = 1000


class Origin(msgspec.Struct, frozen=True):
    """A commit and what the file was called in it."""

    oid: str
    path: str
    author: Person
    subject: str


class Span(msgspec.Struct, frozen=True):
    """The lines [first, first + count), from 1, that come from one commit."""

    first: int
    count: int
    origin: Origin


async def blame(git: Git, path: Path, commit: str, repo_path: str) -> list[Span]:
    """Every line of a file at a commit, in order; spans beside each other may share a commit.

    Raises ``Unavailable`` after ``git_timeout`` seconds.
    """
    child = await git.start(
        path,
        "blame",
        "--incremental",
        args=[commit],
        separator="",
        paths=[repo_path],
        stdin=False,
    )
    spans: list[tuple[int, int, str, str]] = []
    facts: dict[str, dict[bytes, bytes]] = {}
    try:
        async with asyncio.timeout(git.timeout):
            async for line in records(child, b"\n"):
                _take(line, spans, facts)
            if await child.wait():
                raise Unavailable(
                    "git could not tell where these lines come from.",
                    details={"stderr": child.error_text},
                )
    except TimeoutError:
        raise Unavailable("Finding where these lines come from takes too long.") from None
    finally:
        await asyncio.shield(child.kill())
    return [
        Span(first, count, _origin(oid, name, facts[oid]))
        for first, count, oid, name in sorted(spans)
    ]


def _take(
    line: bytes, spans: list[tuple[int, int, str, str]], facts: dict[str, dict[bytes, bytes]]
) -> None:
    key, _, value = line.partition(b" ")
    if len(key) in {40, 64}:
        _, first, count = value.split()
        oid = key.decode("ascii")
        spans.append((int(first), int(count), oid, ""))
        facts.setdefault(oid, {})
    elif key == b"filename":
        # The last of each entry.
        first_, count_, oid, _ = spans[-1]
        spans[-1] = (first_, count_, oid, value.decode("utf-8", "surrogateescape"))
    else:
        facts[spans[-1][2]].setdefault(key, value)


def _origin(oid: str, name: str, facts: dict[bytes, bytes]) -> Origin:
    whole = b" ".join(
        facts.get(key, b"") for key in (b"author", b"author-mail", b"author-time", b"author-tz")
    )
    author = parse_person(whole) if b"author" in facts else NOBODY
    subject = facts.get(b"summary", b"")[:_MAX_SUBJECT].decode("utf-8", "replace")
    return Origin(oid, name, author, subject)
