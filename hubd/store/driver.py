"""An aiosqlite connection that crosses to its thread once per statement instead of four times.

SQLAlchemy opens a cursor, executes, fetches everything and closes it: each of these is a trip to
the connection's thread, and the trips are most of what a read of one row takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite


class Cursor:
    """What SQLAlchemy asks of a cursor; rows are fetched, and SQLite's cursor closed, at once.

    So a caller that is cancelled leaves no statement open that would hold back a checkpoint.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run a statement and keep its rows."""
        await self._connection.on_thread(self._run, sql, parameters, many=False)
        return self

    async def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> Self:
        """Run a statement for each set of parameters."""
        await self._connection.on_thread(self._run, sql, parameters, many=True)
        return self

    async def fetchall(self) -> list[Any]:
        """The rows, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open."""

    def _run(
        self, connection: sqlite3.Connection, sql: str, parameters: Sequence[Any], *, many: bool
    ) -> None:
        cursor = connection.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(sql, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else []
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()


class Connection(aiosqlite.Connection):
    """A connection with such cursors."""

    def cursor(self) -> Cursor:  # type: ignore[override]
        """Make a cursor; no trip to the thread yet."""
        return Cursor(self)

    async def on_thread(self, work: Any, *args: Any, **options: Any) -> None:
        """Run ``work(connection, …)`` in the connection's thread."""
        await self._execute(work, self._conn, *args, **options)  # type: ignore[no-untyped-call]


def connect(path: str, **options: Any) -> Connection:
    """For ``async_creator_fn`` of SQLAlchemy's dialect; ``options`` are those of sqlite3."""
    connection = Connection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does with its own
    return connection
