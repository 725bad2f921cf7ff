"""Answers that are asked for again and again, kept until a commit changes a table they came from.

Nobody says what an answer depends on: the statements that made it do, and those of each commit say
what it changes. So a query may grow by a fact, or a new way of changing one appear, and what is
kept stays true. It holds because all writes to the database pass through one ``Store``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator
from functools import cache, lru_cache
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import visitors

from hubd.store import schema

# About 2 kB each.
MAX_ANSWERS = 4096
_SEEN = "hubd_tables"
# A table's place where a statement may touch any.
_ANY = "*"


class Memory:
    """Bounded by number; least recently used first out."""

    def __init__(self, most: int = MAX_ANSWERS) -> None:
        self._most = most
        self._answers: OrderedDict[Hashable, tuple[object, frozenset[str], int]] = OrderedDict()
        self._changed_at: dict[str, int] = {}
        # How many commits there were; an answer is as of the number before it was read.
        self.commits = 0

    def recall(self, key: Hashable) -> tuple[object] | None:
        """What is kept under this key, in a tuple, if it is still true."""
        known = self._answers.get(key)
        if known is None:
            return None
        answer, tables, commits = known
        for table in tables:
            if self._changed_at.get(table, 0) > commits:
                del self._answers[key]
                return None
        self._answers.move_to_end(key)
        return (answer,)

    def keep(self, key: Hashable, answer: object, tables: Collection[str], commits: int) -> None:
        """Keep what was read from these tables, begun when there were so many commits."""
        if _ANY in tables:
            return
        self._answers[key] = (answer, frozenset((*tables, _ANY)), commits)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def forget(self) -> None:
        """Anything may have changed: somebody wrote to the database beside us."""
        self.changed({_ANY})

    def changed(self, tables: Collection[str]) -> None:
        """A commit changed these tables, or may have."""
        self.commits += 1
        self._changed_at.update(dict.fromkeys(tables, self.commits))


class Seen:
    """The tables that the statements of one connection read and changed."""

    def __init__(self, conn: AsyncConnection) -> None:
        assert conn.sync_connection is not None, "it is open"  # noqa: S101
        self._conn = conn.sync_connection
        self.read: set[str] = set()
        self.changed: set[str] = set()

    def __enter__(self) -> Self:
        self._conn.info[_SEEN] = self
        return self

    def __exit__(self, *_: object) -> None:
        self._conn.info.pop(_SEEN, None)


def watch(engine: sa.Engine) -> None:
    """Have ``Seen`` know of the statements of this engine's connections."""

    @sa.event.listens_for(engine, "before_execute")
    def executing(conn: sa.Connection, statement: Any, *_: object) -> None:
        seen: Seen | None = conn.info.get(_SEEN)
        if seen is not None:
            read, changed = tables_of(statement)
            seen.read |= read
            seen.changed |= changed


@lru_cache(maxsize=256)
def tables_of(statement: sa.Executable) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the tables that a statement reads, and of those that it may change.

    Text may do anything.
    """
    if not isinstance(statement, sa.Select | sa.CompoundSelect | sa.Update | sa.Delete | sa.Insert):
        return frozenset({_ANY}), frozenset({_ANY})
    read: set[str] = set()
    changed: set[str] = set()
    for part in visitors.iterate(statement):
        read.update(_named(part))
        if isinstance(part, sa.Insert | sa.Update | sa.Delete):
            table = part.table.description
            changed |= _followers(table) if isinstance(part, sa.Delete) else {table}
    return frozenset(read), frozenset(changed)


def _named(part: object) -> Iterator[str]:
    """The table that a part of a statement is or belongs to, also by another name for it."""
    if isinstance(part, sa.ColumnClause):
        part = part.table
    while isinstance(part, sa.Alias):
        part = part.element
    if isinstance(part, sa.Table):
        yield part.name
    elif isinstance(part, sa.TextClause) and "select" in part.text.lower():
        yield _ANY


@cache
def _followers(table: str) -> set[str]:
    """A table and those whose rows go, or change, with its rows."""
    found, new = {table}, {table}
    while new:
        new = {
            other.name
            for other in schema.metadata.tables.values()
            for key in other.foreign_keys
            if key.ondelete and key.column.table.name in new
        } - found
        found |= new
    return found
