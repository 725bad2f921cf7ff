"""From a result row to a typed struct, and the little SQL that all owners share."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hubd.store.engine import Connection

S = TypeVar("S", bound=msgspec.Struct)
# Rows of any width; what is in them is checked by the conversion.
Row = Any
_PORTION = 500


def one(struct: type[S], row: Row | None) -> S | None:
    """The row as a struct, or None."""
    return None if row is None else msgspec.convert(row._mapping, struct, strict=False)  # noqa: SLF001


def many(struct: type[S], rows: sa.CursorResult[Any]) -> list[S]:
    """All rows as structs."""
    return [msgspec.convert(row._mapping, struct, strict=False) for row in rows]  # noqa: SLF001


def prefixed(struct: type[S], row: Row, prefix: str) -> S:
    """The columns labelled ``prefix…`` as a struct."""
    values = {
        key.removeprefix(prefix): value
        for key, value in row._mapping.items()  # noqa: SLF001
        if key.startswith(prefix)
    }
    return msgspec.convert(values, struct, strict=False)


def labelled(columns: list[sa.ColumnElement[Any]], prefix: str) -> list[sa.Label[Any]]:
    """Columns under names that do not clash in a join."""
    return [column.label(prefix + str(column.key)) for column in columns]


def now() -> float:
    """UTC epoch seconds."""
    return time.time()


async def for_each(
    conn: Connection, statement: sa.Executable, rows: Iterable[dict[str, Any]]
) -> None:
    """Run a statement for each of many rows, in portions: never are all prepared at once."""
    left = iter(rows)
    while portion := list(islice(left, _PORTION)):
        await conn.execute(statement, portion)


def inserted(result: sa.CursorResult[Any]) -> int:
    """The id of the row just inserted."""
    key = result.inserted_primary_key
    assert key is not None, "asked after an insert of one row"  # noqa: S101
    return int(key[0])


def insert(conn: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say ``ON CONFLICT``, in the database's own dialect."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
