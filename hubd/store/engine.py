"""Transactions that lose nothing, on SQLite and PostgreSQL with the same code.

SQLite: one writer connection (``BEGIN IMMEDIATE``, ``synchronous=FULL``) and a few readers that
never start a transaction. PostgreSQL: ``REPEATABLE READ`` with retries. A transaction waits for
nothing but SQL.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hubd import procs
from hubd.errors import Busy, Conflict, HubError, Unavailable
from hubd.store import driver, memory, migrations
from hubd.store.memory import Memory, Seen

Connection = AsyncConnection
T = TypeVar("T")
_READERS = 6
_RETRIES = 8
_MIGRATION_SECONDS = 3600.0
_SERIALIZATION = {"40001", "40P01"}


class Store:
    """One database."""

    def __init__(self, url: str, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._url = url
        self._writer = writer
        self._reader = reader
        self.dialect = writer.dialect.name
        self._memory = Memory()
        for engine in {writer.sync_engine, reader.sync_engine}:
            memory.watch(engine)

    @classmethod
    async def open(cls, url: str) -> Store:
        """Connect lazily; nothing is created or migrated yet."""
        if url.startswith("sqlite"):
            writer = _sqlite_engine(url, size=1, query_only=False)
            return cls(url, writer, _sqlite_engine(url, size=_READERS, query_only=True))
        engine = create_async_engine(
            url, pool_size=10, max_overflow=10, pool_pre_ping=True, pool_timeout=10
        )
        return cls(url, engine, engine)

    async def migrate(self) -> None:
        """Bring the schema up to this program's revision; raises ``Unavailable`` if it is newer."""
        await self._guard(self._migrate)

    async def _migrate(self) -> None:
        async with self._writer.connect() as conn:
            await conn.run_sync(migrations.upgrade)
            await conn.commit()

    async def migrate_apart(self) -> None:
        """As ``migrate``, in a child where there is something to do: Alembic costs 10 MB."""
        now, newest = await self.revision()
        if now == newest:
            return
        result = await procs.run(
            [sys.executable, "-m", "hubd.store.migrations"],
            env={**os.environ, migrations.URL_VARIABLE: self._url},
            timeout=_MIGRATION_SECONDS,
        )
        if result.code:
            text = result.err.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise Unavailable(text or "The database could not be migrated.")

    async def revision(self) -> tuple[str | None, str]:
        """The database's revision and the program's."""
        with _in_our_words():
            async with self._writer.connect() as conn:
                return await conn.run_sync(migrations.revision), migrations.HEAD

    async def ping(self) -> None:
        """Raise ``HubError`` unless the database answers."""
        async with self.read() as conn:
            await conn.execute(sa.text("SELECT 1"))

    async def close(self) -> None:
        """Give all connections back."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection for reading; each statement sees what is committed by then."""
        with _in_our_words():
            async with self._reader.connect() as conn:
                if self.dialect != "sqlite":
                    await conn.execution_options(isolation_level="AUTOCOMMIT")
                yield conn

    async def remembered(self, work: Callable[..., Awaitable[T]], *args: Hashable) -> T:
        """What ``work(conn, *args)`` reads, read again only after a commit that may change it.

        ``work`` is a function of a module and does nothing but SQL. That nothing was found is kept
        like the rest, so that what is hidden takes no less time than what is not there.
        """
        key = (work, *args)
        known = self._memory.recall(key)
        if known is not None:
            return cast("T", known[0])
        commits = self._memory.commits
        async with self.read() as conn:
            with Seen(conn) as seen:
                found = await work(conn, *args)
        self._memory.keep(key, found, seen.read, commits)
        return found

    def forget(self) -> None:
        """Read everything anew; for when somebody else wrote to the database."""
        self._memory.forget()

    async def write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``work`` in one transaction: all of it or nothing, whatever interrupts it.

        On PostgreSQL it runs again after a serialization failure, so it must do nothing but SQL.
        The transaction ends before this returns or raises, also when the caller is cancelled.
        """
        task = asyncio.ensure_future(self._guard(lambda: self._write(work)))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Whether the row is written must be decided before anybody goes on.
            await asyncio.wait([task])
            raise

    async def _write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        for attempt in range(_RETRIES):
            try:
                async with self._writer.connect() as conn:
                    if self.dialect != "sqlite":
                        await conn.execution_options(isolation_level="REPEATABLE READ")
                    with Seen(conn) as seen:
                        try:
                            async with conn.begin():
                                return await work(conn)
                        finally:
                            # Also after an error: a commit may have come through all the same.
                            self._memory.changed(seen.changed)
            except DBAPIError as error:
                last = attempt == _RETRIES - 1
                if last or _sqlstate(error) not in _SERIALIZATION:
                    raise
                await asyncio.sleep(random.uniform(0.002, 0.02) * (attempt + 1))  # noqa: S311
        raise AssertionError

    async def _guard(self, run: Callable[[], Awaitable[T]]) -> T:
        with _in_our_words():
            return await run()


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What the database or the way to it says becomes one of our errors."""
    try:
        yield
    except DBAPIError as error:
        raise _translated(error) from error
    except PoolTimeout as error:
        raise Busy("The database is busy.", retry_after=2, hint="Try again.") from error
    except ConnectionError as error:
        raise Unavailable("The database does not answer.", details={"error": str(error)}) from error


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "")


def _translated(error: DBAPIError) -> HubError:
    """What a database error means to a person."""
    text = str(error.orig).lower()
    details = {"database": text[:300]}
    if isinstance(error, IntegrityError):
        return Conflict("It exists already.", details=details)
    if "disk is full" in text or "disk i/o error" in text or "no space left" in text:
        return Unavailable(
            "The server's storage is full.", hint="Tell the operator.", details=details
        )
    if "readonly" in text or "read-only" in text:
        return Unavailable(
            "The server's database cannot be written.", hint="Tell the operator.", details=details
        )
    if "locked" in text or "busy" in text or _sqlstate(error) in _SERIALIZATION:
        return Busy("The database is busy.", retry_after=2, hint="Try again.")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unavailable("The database does not answer.", details=details)
    return Unavailable("The database refused.", details=details)


def _sqlite_engine(url: str, *, size: int, query_only: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=10,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT" if query_only else None,
        # A reader has no transaction that could be ended.
        skip_autocommit_rollback=query_only,
        connect_args={"async_creator_fn": driver.connect},
        poolclass=sa.AsyncAdaptedQueuePool,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connected(dbapi: Any, _record: object) -> None:
        # The driver's own transaction handling starts none before a SELECT, which loses updates.
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        for pragma in (
            "busy_timeout=5000",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "journal_size_limit=67108864",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    if not query_only:

        @event.listens_for(engine.sync_engine, "begin")
        def begun(conn: sa.Connection) -> None:
            conn.exec_driver_sql("BEGIN IMMEDIATE")

        @event.listens_for(engine.sync_engine, "reset")
        def returned(dbapi: Any, _record: object, _state: object) -> None:
            # Only what is open is rolled back: each trip to the connection's thread takes time.
            if dbapi.driver_connection.in_transaction:
                dbapi.rollback()

    return engine
