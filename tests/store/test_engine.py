"""The engines: nothing is lost, nothing is left open, failures are told in the hub's words."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from hubd.errors import Busy, Conflict, Unavailable
from hubd.store import engine, namespaces, users
from hubd.store.engine import Store

COUNTERS = Table(
    "counters", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer),
    Column("words", String),
)  # fmt: skip


SQLITE = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)


@pytest.fixture
async def counting(store: Store) -> Store:
    async def work(conn: AsyncConnection) -> None:
        await conn.run_sync(COUNTERS.metadata.create_all)
        await conn.execute(insert(COUNTERS), [{"id": n, "n": 0, "words": ""} for n in range(3)])

    await store.write(work)
    return store


async def value(store: Store, which: int = 1) -> Any:
    async with store.read() as conn:
        return await conn.scalar(select(COUNTERS.c.n).where(COUNTERS.c.id == which))


async def increment(conn: AsyncConnection) -> None:
    seen: Any = await conn.scalar(select(COUNTERS.c.n).where(COUNTERS.c.id == 1))
    await asyncio.sleep(0)
    await conn.execute(update(COUNTERS).where(COUNTERS.c.id == 1).values(n=seen + 1))


async def test_read_then_increment_by_20_tasks_loses_nothing(counting: Store) -> None:
    async def ten() -> None:
        for _ in range(10):
            await counting.write(increment)

    await asyncio.gather(*(ten() for _ in range(20)))
    assert await value(counting) == 200


async def test_two_stores_on_one_database_lose_nothing(counting: Store, store_url: str) -> None:
    other = await Store.open(store_url)
    try:
        works = [which.write(increment) for _ in range(20) for which in (counting, other)]
        await asyncio.gather(*works)
        assert await value(counting) == 40
    finally:
        await other.close()


async def test_an_error_rolls_everything_back(counting: Store) -> None:
    async def work(conn: AsyncConnection) -> None:
        await increment(conn)
        raise Conflict("No.")

    with pytest.raises(Conflict):
        await counting.write(work)
    assert await value(counting) == 0
    await counting.write(increment)
    assert await value(counting) == 1


async def test_a_reader_cannot_write(counting: Store) -> None:
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        async with counting.read() as conn:
            await increment(conn)
    assert await value(counting) == 0


async def test_a_write_is_seen_by_every_later_read(counting: Store) -> None:
    for n in range(30):
        await counting.write(increment)
        assert await asyncio.gather(*(value(counting) for _ in range(10))) == [n + 1] * 10


async def test_a_read_inside_a_write_sees_that_write(counting: Store) -> None:
    async def work(conn: AsyncConnection) -> Any:
        await increment(conn)
        return await conn.scalar(select(COUNTERS.c.n).where(COUNTERS.c.id == 1))

    assert await counting.write(work) == 1


@pytest.mark.parametrize("delay_ms", [0, 1, 3, 10, 30])
async def test_a_cancelled_caller_leaves_no_transaction_open(
    counting: Store, delay_ms: int
) -> None:
    """Cancelled before, in or after its turn: each transaction has ended wholly or not at all."""

    async def work(conn: AsyncConnection) -> None:
        await increment(conn)
        await asyncio.sleep(0.002)
        await conn.execute(update(COUNTERS).where(COUNTERS.c.id == 2).values(n=COUNTERS.c.n + 1))

    tasks = [asyncio.create_task(counting.write(work)) for _ in range(20)]
    await asyncio.sleep(delay_ms / 1000)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    first, second = await value(counting, 1), await value(counting, 2)
    assert first == second
    async with asyncio.timeout(10):
        await counting.write(increment)
    assert await value(counting) == first + 1


async def test_a_cancelled_caller_waits_for_the_end_and_is_then_cancelled(counting: Store) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(conn: AsyncConnection) -> None:
        begun.set()
        await go.wait()
        await increment(conn)

    task = asyncio.create_task(counting.write(work))
    await begun.wait()
    for _ in range(3):  # impatience changes nothing
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await value(counting) == 1


async def test_a_timeout_around_a_write_is_a_timeout(counting: Store) -> None:
    async def work(conn: AsyncConnection) -> None:
        await asyncio.sleep(0.1)
        await increment(conn)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await counting.write(work)
    assert await value(counting) == 1


async def test_a_transaction_that_never_ends_is_rolled_back(counting: Store) -> None:
    async def work(conn: AsyncConnection) -> None:
        await increment(conn)
        await asyncio.sleep(3600)

    counting.write_timeout = 0.2
    with pytest.raises(Busy):
        await counting.write(work)
    counting.write_timeout = 30
    await counting.write(increment)
    assert await value(counting) == 1


async def test_a_statement_cut_off_by_the_time_limit_changes_nothing(counting: Store) -> None:
    slow = (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3000000)"
        " SELECT count(*) FROM c"
    )

    async def work(conn: AsyncConnection) -> None:
        await increment(conn)
        await conn.execute(text(slow))
        await conn.execute(text(slow))

    counting.write_timeout = 0.1
    with pytest.raises(Busy):
        await counting.write(work)
    counting.write_timeout = 30
    await counting.write(increment)
    assert await value(counting) == 1


async def test_cancelled_reads_give_their_connections_back(counting: Store) -> None:
    for _ in range(5):
        tasks = [asyncio.create_task(value(counting)) for _ in range(40)]
        await asyncio.sleep(0.002)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(value(counting) for _ in range(40))) == [0] * 40


@POSTGRESQL
async def test_work_is_begun_anew_after_a_collision(counting: Store, store_url: str) -> None:
    other = await Store.open(store_url)
    runs = 0

    async def work(conn: AsyncConnection) -> None:
        nonlocal runs
        runs += 1
        seen: Any = await conn.scalar(select(COUNTERS.c.n).where(COUNTERS.c.id == 1))
        if runs == 1:
            await other.write(increment)
        await conn.execute(update(COUNTERS).where(COUNTERS.c.id == 1).values(n=seen + 1))

    try:
        await counting.write(work)
    finally:
        await other.close()
    assert (runs, await value(counting)) == (2, 2)


@SQLITE
async def test_a_lock_held_by_another_process_is_busy(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine._SQLITE_ARGUMENTS, "timeout", 0.1)
    impatient = await Store.open(store_url)
    holder = sqlite3.connect(store.url.database or "", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy) as caught:
            await impatient.write(users.count)
        assert caught.value.retry_after > 0
        assert "busy" in caught.value.message
        async with impatient.read() as conn:  # readers do not mind
            assert await users.count(conn) == 0
        holder.execute("ROLLBACK")
        assert await impatient.write(users.count) == 0
    finally:
        holder.close()
        await impatient.close()


@SQLITE
async def test_a_full_disk_is_told_as_such(counting: Store) -> None:

    async def limit(conn: AsyncConnection) -> None:
        pages = await conn.scalar(text("PRAGMA page_count"))
        await conn.execute(text(f"PRAGMA max_page_count={pages}"))

    async def fill(conn: AsyncConnection) -> None:
        await increment(conn)
        await conn.execute(insert(COUNTERS), [{"n": 0, "words": "x" * 4000} for _ in range(500)])

    await counting.write(limit)
    with pytest.raises(Unavailable, match="storage is full"):
        await counting.write(fill)
    assert await value(counting) == 0
    await counting.write(lambda conn: conn.execute(text("PRAGMA max_page_count=1000000")))
    await counting.write(fill)
    assert await value(counting) == 1


@POSTGRESQL
@pytest.mark.parametrize(
    ("state", "kind"),
    [("53100", Unavailable), ("55P03", Busy), ("40001", Busy), ("57P01", Unavailable)],
)
async def test_postgresql_codes_become_the_hubs_errors(
    store: Store, state: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_ATTEMPTS", 2)
    code = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(kind):
        await store.write(lambda conn: conn.execute(text(code)))
    assert await store.write(users.count) == 0


@POSTGRESQL
async def test_postgresql_that_went_away_is_unavailable_then_back(
    store: Store, store_url: str
) -> None:
    other = await Store.open(store_url)
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def cut(conn: AsyncConnection) -> None:
        await other.write(lambda c: c.execute(kill))
        await users.count(conn)

    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await store.write(cut)
        assert await store.write(users.count) == 0
        async with store.read() as conn:
            assert await users.count(conn) == 0
    finally:
        await other.close()


@SQLITE
async def test_sqlite_is_set_up_as_designed(store: Store) -> None:

    async def pragmas(conn: AsyncConnection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        return [await conn.scalar(text(f"PRAGMA {name}")) for name in names]

    assert await store.write(pragmas) == ["wal", 2, 1, 5000, 0]
    async with store.read() as conn:
        values = await pragmas(conn)
    assert (values[0], values[2:]) == ("wal", [1, 5000, 1])


@SQLITE
async def test_a_write_begins_immediately_and_a_read_not_at_all(store: Store) -> None:
    said: list[str] = []
    for which in (store._writer, store._reader):
        event.listen(which.sync_engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    await store.write(users.count)
    assert said[0] == "BEGIN IMMEDIATE"
    said.clear()
    async with store.read() as conn:
        await users.count(conn)
    assert not any("BEGIN" in statement for statement in said)


async def test_foreign_keys_hold(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        await store.write(lambda conn: users.add(conn, id=999))


async def test_a_point_read_costs_about_what_the_driver_costs(store: Store) -> None:
    """A guard against a read that takes many trips; the figure itself is for the benchmark."""
    new_id = await store.write(lambda conn: namespaces.add(conn, kind="user", name="someone"))
    durations = []
    for _ in range(200):
        begin = time.perf_counter()
        async with store.read() as conn:
            await namespaces.by_id(conn, new_id)
        durations.append(time.perf_counter() - begin)
    median = sorted(durations)[100] * 1000
    assert median < 20, f"{store.dialect}: {median:.2f} ms"
