"""Owner of ``quotas``: limits for one namespace or repository instead of the defaults."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import many

_quotas = schema.quotas


class Quota(msgspec.Struct, frozen=True):
    """At most so many bytes and objects; None: no limit of this kind is set here."""

    namespace_id: int | None
    repo_id: int | None
    bytes: int | None
    objects: int | None


async def of(
    conn: Connection, namespace_id: int, repo_id: int | None
) -> tuple[Quota | None, Quota | None]:
    """What is set for the namespace, and for the repository."""
    query = sa.select(_quotas).where(
        sa.or_(_quotas.c.namespace_id == namespace_id, _quotas.c.repo_id == repo_id)
    )
    found = many(Quota, await conn.execute(query))
    of_namespace = next((quota for quota in found if quota.namespace_id is not None), None)
    return of_namespace, next((quota for quota in found if quota.repo_id is not None), None)


async def put(
    conn: Connection,
    *,
    namespace_id: int | None = None,
    repo_id: int | None = None,
    bytes: int | None = None,  # noqa: A002
    objects: int | None = None,
) -> None:
    """Set the limits of a namespace or a repository, in place of those before and the defaults."""
    await remove(conn, namespace_id=namespace_id, repo_id=repo_id)
    await conn.execute(
        sa.insert(_quotas).values(
            namespace_id=namespace_id, repo_id=repo_id, bytes=bytes, objects=objects
        )
    )


async def remove(
    conn: Connection, *, namespace_id: int | None = None, repo_id: int | None = None
) -> None:
    """Let the defaults hold again."""
    column, value = (
        (_quotas.c.repo_id, repo_id)
        if repo_id is not None
        else (_quotas.c.namespace_id, namespace_id)
    )
    await conn.execute(sa.delete(_quotas).where(column == value))
