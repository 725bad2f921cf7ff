"""History as git tells it, and commits that no sane tool would write."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.errors import Unavailable
from hubd.git import log
from hubd.git.log import Person
from hubd.git.process import Git
from tests.git.making import Repository


async def test_commits_are_told_in_full(git: Git, repo: Repository) -> None:
    first = repo.commit({"a": b"1"}, "Subject over\ntwo lines\n\n  Body\n\nmore\n")
    second = repo.commit({"a": b"2"}, "second")
    found = await log.log(git, repo.path, second)
    assert [info.oid for info in found] == [second, first]
    info = found[1]
    assert info.tree == repo.git("rev-parse", f"{first}^{{tree}}")
    assert (info.parents, found[0].parents) == ((), (first,))
    assert (info.subject, info.body) == ("Subject over two lines", "  Body\n\nmore")
    assert info.author == Person("Ann Author", "ann@example.org", 1_700_000_060.0, 60)
    assert info.committer == Person("Carl Committer", "carl@example.org", 1_700_000_060.0, 60)
    assert info.signature is None


async def test_pages_paths_exclusion_and_counting(git: Git, repo: Repository) -> None:
    tips = [repo.commit({f"d/f{n % 2}": b"%d" % n, ":(glob)*": b"%d" % n}) for n in range(6)]
    newest = tips[::-1]

    async def oids(path: str = "", skip: int = 0, limit: int = 50) -> list[str]:
        found = await log.log(git, repo.path, newest[0], path, skip=skip, limit=limit)
        return [info.oid for info in found]

    assert await oids() == newest
    assert await oids(skip=2, limit=3) == newest[2:5]
    assert await oids(skip=99) == []
    assert await oids(limit=0) == []
    assert await oids("d/f1") == newest[::2]
    assert await oids("d") == newest
    assert await oids(":(glob)*") == newest
    assert await oids("*") == []
    assert await oids("nothing") == []
    found = await log.log(git, repo.path, newest[0], exclude=newest[3])
    assert [info.oid for info in found] == newest[:3]
    assert await log.count(git, repo.path, newest[0]) == 6
    assert await log.count(git, repo.path, newest[0], "d/f0") == 3
    assert await log.count(git, repo.path, newest[0], limit=2) == 2
    assert await log.count(git, repo.path, newest[0], exclude=newest[2]) == 2
    with pytest.raises(Unavailable):
        await log.log(git, repo.path, "1" * len(newest[0]))


async def test_t23_monstrous_commits_are_shown_within_bounds(git: Git, repo: Repository) -> None:
    tree = repo.tree([("100644", "f", repo.blob(b"x"))])
    start = repo.commit({"f": b"x"})
    people = "author A \x1b[31m<a\x1b@b> 99999999999999 +9999\ncommitter nobody\n"
    many = "".join(f"parent {start}\n" for _ in range(2000))
    oids = [
        repo.object("commit", f"tree {tree}\n{people}\n".encode() + b"m" * 20_000_000),
        repo.object("commit", f"tree {tree}\n{many}{people}\nmany\n".encode()),
        repo.object(
            "commit", f"tree {tree}\n{people}encoding iso-8859-1\n\n\xe9\n".encode("latin-1")
        ),
        repo.object(
            "commit", f"tree {tree}\n{people}\n\n\n  \nlate subject\n\n\nbody\0hidden".encode()
        ),
        repo.object("commit", f"tree {tree}\n{people}\n".encode()),
    ]
    began = time.monotonic()
    found = [(await log.log(git, repo.path, oid, limit=1))[0] for oid in oids]
    assert time.monotonic() - began < 10
    assert len(found[0].body) <= 65536
    assert len(found[0].subject) == 1000
    assert found[1].parents == (start,) * 2000
    assert found[2].subject == "é"
    assert (found[3].subject, found[3].body) == ("late subject", "body")
    assert (found[4].subject, found[4].body) == ("", "")
    for info in found:
        assert info.author.time == log.LATEST
        assert info.committer == Person("nobody", "", 0.0)


async def test_a_signature_is_named_but_not_believed(git: Git, repo: Repository) -> None:
    tree = repo.tree([])
    people = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
    for begin, kind in (
        ("-----BEGIN PGP SIGNATURE-----", "pgp"),
        ("-----BEGIN SSH SIGNATURE-----", "ssh"),
        ("-----BEGIN SIGNED MESSAGE-----", "x509"),
        ("nonsense", "other"),
    ):
        name = "gpgsig" if repo.object_format == "sha1" else "gpgsig-sha256"
        text = f"tree {tree}\n{people}{name} {begin}\n abc\n \n author B <b@c> 2 +0000\n\nsigned\n"
        info = (await log.log(git, repo.path, repo.object("commit", text.encode())))[0]
        assert info.signature == kind
        assert (info.subject, info.author.name) == ("signed", "A")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"A B <a@b> 12 +0130", Person("A B", "a@b", 12.0, 90)),
        (b"A <a@b> 12 -0130", Person("A", "a@b", 12.0, -90)),
        (b"<a@b> 12 +0000", Person("", "a@b", 12.0)),
        (b"A <a@b>", Person("A", "a@b", 0.0)),
        (b"A <a@b> -5 +0000", Person("A", "a@b", 0.0)),
        (b"A <a@b> x +0000", Person("A", "a@b", 0.0)),
        (b"A <> 1", Person("A", "", 1.0)),
        (b"A", Person("A", "", 0.0)),
        (b"", Person("", "", 0.0)),
        (b"\xff <\xff> 1 +0000", Person("\ufffd", "\ufffd", 1.0)),
    ],
)
def test_people_are_parsed_whatever_they_look_like(value: bytes, expected: Person) -> None:
    assert log.parse_person(value) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_a_commit_of_some_kind(data: bytes) -> None:
    info = log.parse_commit("1" * 40, data, b"    ")
    assert "\n" not in info.subject
    for text in (info.subject, info.body, info.author.name, info.author.email):
        text.encode("utf-8")
