"""Revisions and ``schema.py`` agree, and a newer database is left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Integer, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hubd.errors import Unavailable
from hubd.store import migrations, namespaces, repos, schema, users
from hubd.store.engine import Store, _migrating_engine
from hubd.store.migrations import draft
from hubd.types import RepoType, Role, Visibility


def _differences(conn: Connection) -> list[Any]:
    context = MigrationContext.configure(conn, opts={"compare_type": True})
    return list(compare_metadata(context, schema.metadata))


def _shape(conn: Connection) -> dict[str, Any]:
    """Everything the database says of its tables, in an order of its own."""
    seen = inspect(conn)
    names = sorted(set(seen.get_table_names()) - {"alembic_version"})

    def plain(thing: Any) -> Any:
        if isinstance(thing, dict):
            return sorted((key, plain(value)) for key, value in thing.items())
        return thing if isinstance(thing, list) else str(thing)

    def ordered(things: Any) -> list[str]:
        return sorted(str(plain(thing)) for thing in things)

    shape: dict[str, Any] = {
        name: [
            ordered(seen.get_columns(name)),
            ordered(seen.get_indexes(name)),
            ordered(seen.get_unique_constraints(name)),
            ordered(seen.get_foreign_keys(name)),
            seen.get_pk_constraint(name),
        ]
        for name in names
    }
    if conn.dialect.name == "sqlite":
        counts = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
        shape["autoincrement"] = conn.exec_driver_sql(counts).scalars().all()
    return shape


async def test_the_revisions_lead_to_the_schema(empty_url: str) -> None:
    store = await Store.open(empty_url)
    try:
        await store.migrate()
        async with store.read() as conn:
            assert await conn.run_sync(_differences) == []
    finally:
        await store.close()


async def test_a_migrated_database_is_what_the_schema_would_create(empty_url: str) -> None:
    store = await Store.open(empty_url)
    try:
        await store.write(lambda conn: conn.run_sync(schema.metadata.create_all))
        async with store.read() as conn:
            created = await conn.run_sync(_shape)
        await store.write(lambda conn: conn.run_sync(schema.metadata.drop_all))
        await store.migrate()
        async with store.read() as conn:
            migrated = await conn.run_sync(_shape)
    finally:
        await store.close()
    assert migrated == created


async def test_revision_tells_before_and_after(empty_url: str) -> None:
    store = await Store.open(empty_url)
    try:
        assert await store.revision() == (None, migrations.head())
        await store.migrate()
        assert await store.revision() == (migrations.head(), migrations.head())
        await store.migrate()  # nothing to do
    finally:
        await store.close()


async def test_two_that_migrate_at_once_do_not_collide(empty_url: str) -> None:
    stores = [await Store.open(empty_url) for _ in range(3)]
    try:
        await asyncio.gather(*(store.migrate() for store in stores))
        assert await stores[0].revision() == (migrations.head(), migrations.head())
    finally:
        for store in stores:
            await store.close()


async def test_a_newer_database_is_refused_and_left_alone(store: Store) -> None:
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await store.write(lambda conn: conn.execute(newer))
    with pytest.raises(Unavailable, match=r"9999.*newer hubd") as caught:
        await store.migrate()
    assert caught.value.hint
    assert await store.revision() == ("9999", migrations.head())


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        command.upgrade(*args)
        raise RuntimeError("in the middle")

    store = await Store.open(empty_url)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("hubd.store.migrations.command", SimpleNamespace(upgrade=fail))
            with pytest.raises(RuntimeError, match="in the middle"):
                await store.migrate()
        async with store.read() as conn:
            assert await conn.run_sync(lambda c: inspect(c).get_table_names()) == []
        await store.migrate()
    finally:
        await store.close()


async def test_a_migration_that_breaks_references_is_undone(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/hubd.db")
    try:
        await store.migrate()

        def break_it(conn: Connection) -> None:
            conn.exec_driver_sql("COMMIT")
            conn.exec_driver_sql("PRAGMA foreign_keys=OFF")
            conn.exec_driver_sql("INSERT INTO org_members VALUES (1, 1, 1)")
            conn.exec_driver_sql("PRAGMA foreign_keys=ON")
            conn.exec_driver_sql("BEGIN IMMEDIATE")

        async with store._writer.begin() as conn:
            await conn.run_sync(break_it)
        with pytest.raises(Unavailable, match="break references"):
            await store.migrate()
    finally:
        await store.close()


async def test_making_a_table_anew_keeps_what_refers_to_it(tmp_path: Path) -> None:
    """SQLite: batch mode drops the old table, and a cascade would take the children along."""
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/hubd.db")
    await store.migrate()

    async def family(conn: AsyncConnection) -> tuple[int, int]:
        owner = await namespaces.add(conn, kind="user", name="owner")
        await users.add(conn, id=owner)
        public = Visibility.PUBLIC
        repo = await repos.add(
            conn, type=RepoType.MODEL, namespace_id=owner, name="it", visibility=public
        )
        await repos.set_collaborator(conn, repo, owner, Role.WRITE)
        return owner, repo

    def remake(conn: Connection) -> None:
        with Operations(MigrationContext.configure(conn)).batch_alter_table(
            "repos", recreate="always"
        ) as batch:
            batch.add_column(Column("stars", Integer, server_default="0", nullable=False))

    _, repo = await store.write(family)
    engine = _migrating_engine(store.url)
    try:
        async with engine.begin() as conn:
            await conn.run_sync(remake)
    finally:
        await engine.dispose()
    async with store.read() as conn:
        assert len(await repos.collaborators(conn, repo)) == 1
    await store.close()


async def test_a_drafted_revision_holds_what_changed_in_the_schema(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[Any] = []

    def take(_config: object, message: str, **options: Any) -> Any:
        written.append((message, options))
        return SimpleNamespace(path=str(tmp_path / "r0002_why.py"))

    monkeypatch.setattr("hubd.store.migrations.draft.command", SimpleNamespace(revision=take))
    assert await draft.draft("why", "0002") == tmp_path / "r0002_why.py"
    assert written == [("why", {"autogenerate": True, "rev_id": "0002"})]
    assert draft.main([]) == 2
    assert "usage" in capsys.readouterr().out
