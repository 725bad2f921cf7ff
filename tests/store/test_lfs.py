"""What the store promises about large files, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import msgspec

from hubd.store import lfs_locks, uploads
from hubd.store.engine import Store
from hubd.store.uploads import Upload, UploadPart
from tests.store.kit import add_repo, add_user


async def test_one_of_many_gets_a_lock(store: Store) -> None:
    ada, bob = await add_user(store, "ada"), await add_user(store, "bob")
    repo_id, other = await add_repo(store, ada, "one"), await add_repo(store, ada, "two")
    tries = [
        store.write(
            partial(lfs_locks.add, repo_id=repo_id, path="a.bin", user_id=who, ref="refs/heads/x")
        )
        for who in [ada, bob] * 8
    ]
    assert sum(await asyncio.gather(*tries)) == 1
    async with store.read() as conn:
        lock = await lfs_locks.by_path(conn, repo_id, "a.bin")
        assert lock is not None
        assert await lfs_locks.get(conn, other, lock.id) is None
        mine = await lfs_locks.of_others(conn, repo_id, lock.user_id)
        assert (list(mine), len(await lfs_locks.of_others(conn, repo_id, None))) == ([], 1)
    remove = partial(lfs_locks.remove, lock_id=lock.id)
    assert not await store.write(partial(remove, repo_id=other))
    assert await store.write(partial(remove, repo_id=repo_id))
    assert not await store.write(partial(remove, repo_id=repo_id))


async def test_uploads_are_found_again_prolonged_and_swept(store: Store) -> None:
    ada = await add_user(store, "ada")
    repo_id = await add_repo(store, ada, "one")
    now = time.time()
    first = Upload("a" * 32, repo_id, ada, "parts", "1" * 64, 10, 5, "h1", now, now + 60)
    newer = msgspec.structs.replace(first, id="b" * 32, handle="h2", created_at=now + 1)
    nobodys = msgspec.structs.replace(first, id="c" * 32, user_id=None, handle="h3")
    over = msgspec.structs.replace(first, id="d" * 32, oid="2" * 64, handle="h4", expires_at=now)
    await store.write(partial(uploads.add, begun=[first, newer, nobodys, over]))
    await store.write(partial(uploads.add, begun=[]))
    for etag in ("old", "new"):
        part = UploadPart(2, 5, etag)
        await store.write(partial(uploads.put_part, upload_id=newer.id, part=part))
    async with store.read() as conn:
        oids = ["1" * 64, "2" * 64]
        for user, wanted in ((ada, newer), (None, nobodys)):
            found = await uploads.of_objects(conn, repo_id, user, "parts", oids)
            assert found == {"1" * 64: wanted}
        parts = await uploads.parts(conn, [first.id, newer.id])
        assert parts == {first.id: [], newer.id: [UploadPart(2, 5, "new")]}
        assert [one.id for one in await uploads.expired(conn)] == [over.id]
    ids = {over.id, "e" * 32}
    assert await store.write(partial(uploads.prolong, ids=ids, expires_at=now + 60)) == {over.id}
    assert not await store.write(partial(uploads.remove_expired, upload_id=over.id))
    assert await store.write(partial(uploads.prolong, ids=[], expires_at=now)) == set()
    await store.write(partial(uploads.prolong, ids=ids, expires_at=now - 1))
    assert await store.write(partial(uploads.remove_expired, upload_id=over.id))
    async with store.read() as conn:
        assert await uploads.handles(conn) == {"h1", "h2", "h3"}
