"""Where lines come from."""

from __future__ import annotations

import pytest

from hubd.errors import Unavailable
from hubd.git.blame import blame
from hubd.git.log import Person
from hubd.git.process import Git
from tests.git.making import Repository


async def test_each_line_has_its_commit(git: Git, repo: Repository) -> None:
    first = repo.commit({"a b": b"one\ntwo\nthree\n"}, "First\n\nmore\n")
    second = repo.commit({"a b": b"one\n2\nthree\n"}, "")
    third = repo.commit({":(glob)*": b"one\n2\nthree\nfour"}, "Third")
    spans = await blame(git, repo.path, second, "a b")
    assert [(s.first, s.count, s.origin.oid) for s in spans] == [
        (1, 1, first),
        (2, 1, second),
        (3, 1, first),
    ]
    assert spans[0].origin.author == Person("Ann Author", "ann@example.org", 1_700_000_060.0, 60)
    assert (spans[0].origin.subject, spans[0].origin.path) == ("First", "a b")
    (whole,) = await blame(git, repo.path, third, ":(glob)*")
    assert (whole.first, whole.count, whole.origin.oid) == (1, 4, third)
    with pytest.raises(Unavailable):
        await blame(git, repo.path, third, "nothing")


async def test_an_empty_file_has_no_lines(git: Git, repo: Repository) -> None:
    assert await blame(git, repo.path, repo.commit({"a": b""}), "a") == []
