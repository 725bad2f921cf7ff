"""Owner of ``model_facts``: what the heads of model files say, by the id of their content."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from hubd.store.engine import Connection
from hubd.store.rows import insert, now
from hubd.store.schema_models import model_facts as _table


async def of(conn: Connection, kind: str, oids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What is known of these contents. Who asks has found that its reader may read them."""
    query = sa.select(_table.c.oid, _table.c.facts)
    query = query.where(_table.c.kind == kind, _table.c.oid.in_(oids))
    return {str(row.oid): dict(row.facts) for row in await conn.execute(query)}


async def put(conn: Connection, kind: str, oid: str, facts: Mapping[str, Any]) -> None:
    """Remember what a head says."""
    query = insert(conn, _table).values(oid=oid, kind=kind, facts=dict(facts), created_at=now())
    await conn.execute(query.on_conflict_do_nothing(index_elements=[_table.c.oid, _table.c.kind]))
