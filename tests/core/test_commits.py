"""Commits that the hub makes are pushes to itself: same checks, same record, same locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd import app
from hubd.config import Config
from hubd.core import accounts, browse, commits, maintenance, repos
from hubd.core.context import Core
from hubd.errors import Conflict, Denied, Invalid, NotFound, Refused
from hubd.store import events, pushes
from hubd.types import Actor, ActorKind, Channel, RepoRef, RepoType, Scope

REF = RepoRef(RepoType.MODEL, "ann", "first")


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    """A hub without doors."""
    built = await app.build(Config(data_dir=str(tmp_path / "data")))
    try:
        yield built
    finally:
        await app.dismantle(built)


@pytest.fixture
async def ann(core: Core) -> Actor:
    """A user with a repository."""
    user = await accounts.add_user(core, Actor.system(), "ann", email="ann@example.org")
    actor = Actor(
        kind=ActorKind.USER, user_id=user.id, name="ann", scope=Scope.ADMIN, channel=Channel.API
    )
    await repos.create(core, actor, REF)
    return actor


def add(path: str, content: bytes = b"x\n") -> commits.AddFile:
    return commits.AddFile(path, content)


async def test_a_commit_lands_with_the_account_as_its_author(core: Core, ann: Actor) -> None:
    done = await commits.commit(core, ann, REF, [add("README.md", b"# Hi\n")], "First")
    at = await browse.at(core, ann, REF)
    assert at.commit == done.oid
    _, info, diff = await browse.commit(core, ann, REF, done.oid)
    assert (info.author.name, info.author.email) == ("ann", "ann@example.org")
    assert [file.new_path for file in diff.files] == ["README.md"]
    async with core.store.read() as conn:
        recorded = await pushes.page(conn, at.found.repo.id)
    assert [move.new for push in recorded for move in push.moves] == [done.oid]
    assert recorded[0].channel == "api"


async def test_a_commit_that_saw_an_older_branch_is_a_conflict(core: Core, ann: Actor) -> None:
    first = await commits.commit(core, ann, REF, [add("a")], "One")
    await commits.commit(core, ann, REF, [add("b")], "Two", parent=first.oid)
    with pytest.raises(Conflict):
        await commits.commit(core, ann, REF, [add("c")], "Three", parent=first.oid)


async def test_concurrent_commits_to_one_branch_lose_none(core: Core, ann: Actor) -> None:
    await commits.commit(core, ann, REF, [add("start")], "Start")

    async def persist(number: int) -> None:
        while True:
            try:
                await commits.commit(core, ann, REF, [add(f"f{number}")], f"Number {number}")
            except Conflict:
                continue
            return

    await asyncio.gather(*(persist(number) for number in range(6)))
    page = await browse.tree(core, await browse.at(core, ann, REF))
    assert {entry.name for entry in page.entries} == {"start", *(f"f{n}" for n in range(6))}
    at = await browse.at(core, ann, REF)
    async with core.store.read() as conn:
        assert await pushes.open_intents(conn, None) == []
        assert await events.last_recorded(conn, at.found.repo.id, "refs/heads/main") == at.commit


async def test_checks_refuse_a_commit_as_they_refuse_a_push(core: Core, ann: Actor) -> None:
    big = b"0" * (core.config.blob_limit + 1)
    with pytest.raises(Refused) as refused:
        await commits.commit(core, ann, REF, [add("big.bin", big), add("Readme")], "Big")
    assert "git lfs migrate import" in refused.value.findings[0].fix
    with pytest.raises(browse.EmptyRepoError):
        await browse.at(core, ann, REF)


async def test_nothing_is_written_through_a_committed_link(core: Core, ann: Actor) -> None:
    await commits.commit(core, ann, REF, [add("a/b")], "Folder")
    with pytest.raises((Invalid, Conflict, NotFound)):
        await commits.commit(core, ann, REF, [add("a/b/c")], "Through a file")
    with pytest.raises(Invalid):
        await commits.commit(core, ann, REF, [add("../../etc/passwd")], "Out")


async def test_branches_are_made_and_deleted_and_protection_holds(core: Core, ann: Actor) -> None:
    done = await commits.commit(core, ann, REF, [add("a")], "One")
    await commits.create_ref(core, ann, REF, "refs/heads/side", done.oid)
    with pytest.raises(Conflict):
        await commits.create_ref(core, ann, REF, "refs/heads/side", done.oid)
    await commits.delete_ref(core, ann, REF, "refs/heads/side")
    with pytest.raises(Refused):
        await commits.delete_ref(core, ann, REF, "refs/heads/main")
    names = [info.name for info in (await browse.refs(core, ann, REF)).branches]
    assert names == ["main"]


async def test_who_may_only_read_commits_nothing(core: Core, ann: Actor) -> None:
    user = await accounts.add_user(core, Actor.system(), "bob")
    bob = Actor(kind=ActorKind.USER, user_id=user.id, name="bob", channel=Channel.API)
    await commits.commit(core, ann, REF, [add("a")], "One")
    with pytest.raises(Denied):
        await commits.commit(core, bob, REF, [add("b")], "Two")


async def test_the_same_content_makes_no_commit(core: Core, ann: Actor) -> None:
    first = await commits.commit(core, ann, REF, [add("a")], "One")
    again = await commits.commit(core, ann, REF, [add("a")], "Again")
    assert again.unchanged
    assert again.oid == first.oid


async def test_pushes_make_maintenance_due(core: Core, ann: Actor) -> None:
    core.apply(Config(data_dir=core.config.data_dir, maintenance_pushes=3))
    for number in range(3):
        await commits.commit(core, ann, REF, [add(f"f{number}")], "One")
    assert await maintenance.due(core) == 1
    assert await maintenance.due(core) == 0
    result = await maintenance.fsck(core, Actor.system(), REF)
    assert result.faults == ()
