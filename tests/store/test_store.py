"""What the store promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from hubd.errors import Conflict
from hubd.store import (
    events,
    migrations,
    namespaces,
    pushes,
    queries,
    repos,
    schema,
    schema_models,
    schema_oauth,
    schema_social,
    schema_xet,
    users,
)
from hubd.store.engine import Connection, Store
from hubd.store.migrations import alembic_runner
from hubd.store.pushes import RefMove
from hubd.types import Actor, RepoRef, Role
from tests.store.kit import add_repo, add_user


async def _find(store: Store, address: str, user: int | None) -> queries.RepoAccess | None:
    async with store.read() as conn:
        return await queries.repo_access(conn, RepoRef.from_path(address), user)


async def test_no_update_is_lost_among_two_hundred(store: Store) -> None:
    owner = await add_user(store, "ada")

    async def increment() -> None:
        async def work(conn: Connection) -> None:
            column = schema.users.c.created_at
            now = (await conn.execute(sa.select(column))).scalar_one()
            await conn.execute(sa.update(schema.users).values(created_at=now + 1))

        for _ in range(10):
            await store.write(work)

    async with store.read() as conn:
        before = (await users.by_id(conn, owner)).created_at  # type: ignore[union-attr]
    await asyncio.gather(*(increment() for _ in range(8)))
    async with store.read() as conn:
        after = (await users.by_id(conn, owner)).created_at  # type: ignore[union-attr]
    assert after - before == 80


async def test_a_cancelled_writer_leaves_no_transaction_open(store: Store) -> None:
    began = asyncio.Event()

    async def slow(conn: Connection) -> None:
        await conn.execute(sa.select(1))
        began.set()
        await asyncio.sleep(0.2)

    task = asyncio.create_task(store.write(slow))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await add_user(store, "next") > 0


async def test_revisions_make_what_the_schema_says(store: Store) -> None:
    def differences(conn: sa.Connection) -> list[object]:
        assert schema_models.model_facts.metadata is schema.metadata
        assert schema_oauth.oauth_apps.metadata is schema.metadata
        assert schema_social.metadata is schema.metadata
        assert schema_xet.xorbs.metadata is schema.metadata
        return list(compare_metadata(MigrationContext.configure(conn), schema.metadata))

    async with store.read() as conn:
        assert await conn.run_sync(differences) == []
    assert await store.revision() == (migrations.HEAD, migrations.HEAD)
    assert alembic_runner.scripts().get_current_head() == migrations.HEAD


async def test_old_addresses_lead_on_also_after_both_names_changed(store: Store) -> None:
    ada = await add_user(store, "ada")
    repo_id = await add_repo(store, ada, "one")
    await store.write(lambda conn: repos.rename(conn, repo_id, ada, "two"))
    await store.write(lambda conn: namespaces.rename(conn, ada, "lovelace"))
    for address, moved in {
        "lovelace/two": False,
        "ada/one": True,
        "ada/two": True,
        "lovelace/one": True,
    }.items():
        found = await _find(store, address, ada)
        assert found is not None, address
        assert (found.repo.id, found.role, found.moved) == (repo_id, Role.ADMIN, moved), address
    # The old name of an account, and what looks like it, stay reserved.
    for name in ("ada", "Ada"):
        with pytest.raises(Conflict):
            await add_user(store, name)


async def test_look_alike_names_are_one_name(store: Store) -> None:
    await add_user(store, "foo-bar")
    for name in ("FOO-BAR", "foo_bar", "f0o-bar"):
        with pytest.raises(Conflict):
            await add_user(store, name)


async def test_a_push_is_recorded_once_with_an_event_for_each_ref(store: Store) -> None:
    repo_id = await add_repo(store, await add_user(store, "ada"), "one")
    zero, one = "0" * 40, "1" * 40
    moves = [RefMove("refs/heads/a", zero, one), RefMove("refs/heads/b", zero, one)]
    push_id = await store.write(
        lambda conn: pushes.intent(
            conn,
            repo_id=repo_id,
            actor=Actor.system(),
            moves=moves,
            options=["x;y=\n"],
            process_group=1,
            process_started=2.0,
        )
    )
    async with store.read() as conn:
        assert [p.id for p in await pushes.open_intents(conn, None)] == [push_id]
    for _ in range(2):
        await store.write(lambda conn: pushes.finish(conn, push_id, moves[:1]))
    async with store.read() as conn:
        assert await pushes.open_intents(conn, repo_id) == []
        assert await events.last_recorded(conn, repo_id, "refs/heads/a") == one
        assert await events.last_recorded(conn, repo_id, "refs/heads/b") is None
        count = sa.select(sa.func.count()).select_from(schema.events)
        assert (await conn.execute(count)).scalar_one() == 1


async def test_a_trashed_address_is_free_and_comes_back_only_if_still_so(store: Store) -> None:
    ada = await add_user(store, "ada")
    first = await add_repo(store, ada, "one")
    await store.write(lambda conn: repos.trash(conn, first))
    assert await _find(store, "ada/one", ada) is None
    await add_repo(store, ada, "one")
    async with store.read() as conn:
        (deleted,) = await repos.trashed_of(conn, ada)
    with pytest.raises(Conflict):
        await store.write(lambda conn: repos.restore(conn, deleted, deleted.name))
    await store.write(lambda conn: repos.restore(conn, deleted, "two"))
    assert await _find(store, "ada/two", ada) is not None
