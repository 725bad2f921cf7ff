"""Recursive listings come in pages and end at their limit."""

from __future__ import annotations

import random
import time

import pytest

from hubd.errors import Invalid, Unavailable
from hubd.git import treewalk
from hubd.git.objects import Batch
from hubd.git.process import Git
from hubd.git.trees import TreeEntry, parse_tree, serialize_tree
from tests.git.making import Content, Repository


async def pages(batch: Batch, tree: str, limit: int, prefix: str = "") -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page, more = await treewalk.walk_tree(batch, tree, prefix=prefix, after=after, limit=limit)
        found += [listed.path for listed in page]
        if not more:
            return found
        after = page[-1].path


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
async def test_pages_of_any_size_give_the_whole_listing(
    git: Git, repo: Repository, limit: int
) -> None:
    dice = random.Random(limit)
    files: dict[str, Content] = {}
    for _ in range(40):
        depth = dice.randint(1, 4)
        name = "/".join(dice.choice(["a", "b", "c.d", "c", "c0"]) for _ in range(depth))
        if not any(n.startswith(name + "/") or name.startswith(n + "/") for n in files):
            files[name] = b"x"
    tip = repo.commit(files)
    expected = repo.git("ls-tree", "-r", "-t", "--name-only", tip).split("\n")
    async with Batch(git, repo.path) as batch:
        tree = await batch.tree_of(tip)
        assert tree is not None
        assert await pages(batch, tree, limit) == expected
        assert await pages(batch, tree, limit, "p/q/") == [f"p/q/{name}" for name in expected]
        with pytest.raises(Invalid):
            await treewalk.walk_tree(batch, tree, after="nothing/there")


async def test_t20_a_bomb_gives_its_first_page_at_once(git: Git, repo: Repository) -> None:
    bomb = repo.bomb()
    began = time.monotonic()
    async with Batch(git, repo.path) as batch:
        page, more = await treewalk.walk_tree(batch, bomb, limit=1000)
        assert (len(page), more) == (1000, True)
        page, more = await treewalk.walk_tree(batch, bomb, limit=1000, after=page[-1].path)
        assert (len(page), more) == (1000, True)
    assert time.monotonic() - began < 3


async def test_endless_depth_is_refused(git: Git, repo: Repository) -> None:
    oid = repo.tree([("100644", "f", repo.blob(b""))])
    for _ in range(300):
        oid = repo.tree([("040000", "d", oid)])
    async with Batch(git, repo.path) as batch:
        with pytest.raises(Invalid):
            await treewalk.walk_tree(batch, oid)


def test_trees_are_read_and_written_as_git_does(repo: Repository) -> None:
    blob = repo.blob(b"x")
    entries = [
        ("100644", "a.b", blob),
        ("040000", "a", repo.tree([])),
        ("100755", "a0", blob),
        ("160000", "sub", blob[::-1]),
        ("120000", "é\udcff\n", blob),
    ]
    oid = repo.tree(entries)
    data = repo.raw("cat-file", "tree", oid)
    parsed = parse_tree(data, len(oid) // 2)
    assert [(f"{e.mode:06o}", e.name, e.oid) for e in parsed] == entries
    assert serialize_tree(reversed(parsed)) == data
    kinds = [(e.is_tree, e.is_link, e.is_submodule) for e in parsed]
    assert kinds == [
        (False,) * 3,
        (True, False, False),
        (False,) * 3,
        (False, False, True),
        (False, True, False),
    ]
    assert TreeEntry.of(0o100644, "é\udcff", blob).name_raw == "é".encode() + b"\xff"


@pytest.mark.parametrize(
    "data",
    [b"100644", b"100644 a", b"100644 a\0short", b"xyz a\0" + b"1" * 20, b"100644 a\0" + b"1" * 19],
)
def test_malformed_trees_are_an_error(data: bytes) -> None:
    with pytest.raises(Unavailable):
        parse_tree(data, 20)
