"""Chunks in the database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import time

from hubd import access
from hubd.store import namespaces, objects, repos, users, xet
from hubd.store.engine import Connection, Store
from hubd.store.xet import Chunk, File, Held, Span, StoredXorb
from hubd.types import Actor, RepoType, Visibility

X, Y, OID, OTHER = "a" * 64, "b" * 64, "c" * 64, "d" * 64
NOBODY = access.visible(Actor.anonymous(Actor().channel))
ALL = access.visible(Actor.system())


async def _repo(conn: Connection, name: str, visibility: Visibility) -> tuple[int, int]:
    """A user and his repository."""
    owner = await namespaces.add(
        conn, kind="user", name=name, full_name="", default_visibility=Visibility.PUBLIC
    )
    await users.add(
        conn, id=owner, email=None, password_hash=None, is_admin=False, must_change_password=False
    )
    repo = await repos.add(
        conn,
        type=RepoType.MODEL,
        namespace_id=owner,
        name="r",
        visibility=visibility,
        default_branch="main",
        object_format="sha1",
        created_by=owner,
    )
    return owner, repo


async def _fill(conn: Connection) -> tuple[int, int]:
    ada, repo = await _repo(conn, "ada", Visibility.PRIVATE)
    for name in (X, Y):
        await xet.add_xorb(conn, StoredXorb(name, 100, 10), repo, ada)
        await xet.add_xorb(conn, StoredXorb(name, 100, 10), repo, ada)
    await objects.add(conn, OID, 50)
    await objects.link(conn, repo, {OID: 50}, ada)
    held = Held(File(OID, "e" * 64), [Span(X, 2, 5)], [Chunk("f" * 64, X, 2)])
    await xet.add_files(conn, [held])
    # Another way to hold the same object changes nothing, but its chunks are found.
    again = Held(File(OID, "0" * 64), [Span(Y, 0, 9)], [Chunk("f" * 64, Y, 1)])
    await xet.add_files(conn, [again, again])
    return ada, repo


async def test_who_sent_what_and_who_may_use_it(store: Store) -> None:
    ada, repo = await store.write(_fill)
    async with store.read() as conn:
        assert set(await xet.xorbs(conn, [X, Y, OID])) == {X, Y}
        assert await xet.uploaded(conn, repo, ada, [X, OID]) == {X}
        assert await xet.uploaded(conn, repo, ada + 1, [X]) == set()
        assert await xet.readable(conn, ALL, [X, Y]) == [Span(X, 2, 5)]
        assert await xet.readable(conn, NOBODY, [X, Y]) == []
        places = await xet.chunks(conn, "f" * 64)
        assert {place.xorb for place in places} == {X, Y}
        assert await xet.user_of(conn, ALL, Chunk("", X, 4)) == OID
        assert await xet.user_of(conn, ALL, Chunk("", X, 5)) is None
        assert await xet.user_of(conn, NOBODY, Chunk("", X, 4)) is None
        assert await xet.files(conn, [OID, OTHER]) == {OID: File(OID, "e" * 64)}
        assert await xet.file_of_repo(conn, repo, "e" * 64) == File(OID, "e" * 64)
        assert await xet.file_of_repo(conn, repo + 1, "e" * 64) is None


async def test_what_is_needed_stays_and_the_epoch_moves_with_what_goes(store: Store) -> None:
    _, repo = await store.write(_fill)
    later = time.time() + 10
    async with store.read() as conn:
        assert [one.hash for one in await xet.orphans(conn, later)] == [Y]
        assert await xet.orphans(conn, 1000) == []
        assert await xet.epoch(conn, repo) == 0
    assert not await store.write(lambda conn: xet.remove_orphan(conn, X, later))
    assert not await store.write(lambda conn: xet.remove_orphan(conn, Y, 1000))
    assert await store.write(lambda conn: xet.remove_orphan(conn, Y, later))
    await store.write(lambda conn: xet.next_epoch(conn, [repo]))
    await store.write(lambda conn: xet.next_epoch(conn, []))
    async with store.read() as conn:
        assert await xet.epoch(conn, repo) == 2
        assert [place.xorb for place in await xet.chunks(conn, "f" * 64)] == [X]


async def test_an_object_that_goes_takes_what_is_known_of_its_chunks_along(store: Store) -> None:
    _, repo = await store.write(_fill)
    later = time.time() + 10
    await store.write(lambda conn: objects.unlink_unused(conn, repo, [OID], later))
    assert await store.write(lambda conn: objects.remove_orphan(conn, OID))
    async with store.read() as conn:
        assert await xet.files(conn, [OID]) == {}
        assert len(await xet.orphans(conn, later)) == 2
