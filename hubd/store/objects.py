"""Owner of ``objects`` and ``object_links``: what content there is, and which repository has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import insert, many, now

_objects = schema.objects
_links = schema.object_links
# A link that was used within this time needs no new mark; collection waits much longer.
FRESH_SECONDS = 3600.0


class StoredObject(msgspec.Struct, frozen=True):
    """Content that is in the store, whole and verified; ``size`` in bytes."""

    oid: str
    size: int
    created_at: float


class Usage(msgspec.Struct, frozen=True):
    """What is linked: bytes, each object counted once a repository, and how many."""

    bytes: int
    objects: int


async def add(conn: Connection, oid: str, size: int) -> None:
    """Record content whose bytes are in place and verified; harmless if it is known."""
    query = insert(conn, _objects).values(oid=oid, size=size, created_at=now())
    await conn.execute(query.on_conflict_do_nothing(index_elements=[_objects.c.oid]))


async def link(
    conn: Connection,
    repo_id: int,
    sizes: Mapping[str, int],
    user_id: int | None,
    charged_to: int | None = None,
) -> None:
    """Give a repository recorded objects; one that it has is marked as used.

    ``charged_to`` is the namespace in whose quota they count; None: the repository's own.
    """
    if not sizes:
        return
    at = now()
    rows = [
        {
            "repo_id": repo_id,
            "oid": oid,
            "size": size,
            "user_id": user_id,
            "charged_to": charged_to,
            "created_at": at,
            "used_at": at,
        }
        for oid, size in sizes.items()
    ]
    await conn.execute(
        insert(conn, _links).on_conflict_do_update(
            index_elements=[_links.c.repo_id, _links.c.oid], set_={"used_at": at}
        ),
        rows,
    )


async def touch(conn: Connection, repo_id: int, oids: Collection[str]) -> set[str]:
    """Mark links as used now; returns those that still exist."""
    query = (
        sa.update(_links)
        .where(_links.c.repo_id == repo_id, _links.c.oid.in_(oids))
        .values(used_at=now())
        .returning(_links.c.oid)
    )
    return {str(row.oid) for row in await conn.execute(query)}


class Link(msgspec.Struct, frozen=True):
    """An object of a repository."""

    oid: str
    size: int
    created_at: float
    used_at: float

    @property
    def is_fresh(self) -> bool:
        """Whether the link was used so recently that it needs no new mark."""
        return now() - self.used_at < FRESH_SECONDS


_LINK_COLUMNS = (_links.c.oid, _links.c.size, _links.c.created_at, _links.c.used_at)


async def links(conn: Connection, repo_id: int, oids: Iterable[str]) -> dict[str, Link]:
    """Which of these objects a repository has."""
    query = sa.select(*_LINK_COLUMNS).where(_links.c.repo_id == repo_id, _links.c.oid.in_(oids))
    return {link.oid: link for link in many(Link, await conn.execute(query))}


async def readable(
    conn: Connection, visible: sa.ColumnElement[bool], oids: Iterable[str]
) -> dict[str, int]:
    """The sizes of those objects that some repository under a predicate on ``repos`` has."""
    repos = schema.repos
    query = (
        sa.select(_links.c.oid, sa.func.max(_links.c.size).label("size"))
        .select_from(sa.join(_links, repos, _links.c.repo_id == repos.c.id))
        .where(_links.c.oid.in_(oids), visible)
        .group_by(_links.c.oid)
    )
    return {str(row.oid): int(row.size) for row in await conn.execute(query)}


async def usage_of_repo(conn: Connection, repo_id: int) -> Usage:
    """What a repository has linked and pays for."""
    return await _usage(conn, _links.c.repo_id == repo_id, _links.c.charged_to.is_(None))


async def usage_of_guest(conn: Connection, repo_id: int, user_id: int) -> Usage:
    """What a repository has linked that this account pays for."""
    return await _usage(conn, _links.c.repo_id == repo_id, _links.c.charged_to == user_id)


async def charge_repo(conn: Connection, repo_id: int, user_id: int) -> None:
    """The repository pays from now on for what this account brought."""
    query = sa.update(_links).where(_links.c.repo_id == repo_id, _links.c.charged_to == user_id)
    await conn.execute(query.values(charged_to=None))


async def usage_of_namespace(conn: Connection, namespace_id: int) -> Usage:
    """What all repositories of a namespace have linked, those in the trash included.

    With it what its account brought to pull requests elsewhere, without what others brought here.
    """
    repos = schema.repos
    ids = sa.select(repos.c.id).where(repos.c.namespace_id == namespace_id)
    own = sa.and_(_links.c.repo_id.in_(ids), _links.c.charged_to.is_(None))
    return await _usage(conn, sa.or_(own, _links.c.charged_to == namespace_id))


async def usage_of_all(conn: Connection) -> Usage:
    """What all repositories have linked, each for itself."""
    return await _usage(conn, sa.true())


async def stored(conn: Connection) -> Usage:
    """What is stored, once each."""
    query = sa.select(sa.func.coalesce(sa.func.sum(_objects.c.size), 0), sa.func.count())
    total, count = (await conn.execute(query.select_from(_objects))).one()
    return Usage(int(total), int(count))


async def _usage(conn: Connection, *where: sa.ColumnElement[bool]) -> Usage:
    query = sa.select(sa.func.coalesce(sa.func.sum(_links.c.size), 0), sa.func.count())
    total, count = (await conn.execute(query.where(*where))).one()
    return Usage(int(total), int(count))


async def page_of_links(
    conn: Connection, repo_id: int, *, after: str = "", limit: int = 1000
) -> Sequence[Link]:
    """A repository's objects in the order of their ids, those after a given one."""
    query = (
        sa.select(*_LINK_COLUMNS)
        .where(_links.c.repo_id == repo_id, _links.c.oid > after)
        .order_by(_links.c.oid)
        .limit(limit)
    )
    return many(Link, await conn.execute(query))


async def page(conn: Connection, *, after: str = "", limit: int = 1000) -> Sequence[StoredObject]:
    """All content in the order of its ids, what comes after a given one."""
    query = sa.select(_objects).where(_objects.c.oid > after).order_by(_objects.c.oid).limit(limit)
    return many(StoredObject, await conn.execute(query))


async def repos_with_unused(conn: Connection, before: float) -> list[int]:
    """The repositories that have objects which nobody used since a time."""
    query = sa.select(_links.c.repo_id).where(_links.c.used_at < before).distinct()
    return [int(row.repo_id) for row in await conn.execute(query.order_by(_links.c.repo_id))]


async def unused(
    conn: Connection, repo_id: int, before: float, *, after: str = "", limit: int = 1000
) -> dict[str, int]:
    """Sizes by oid of a repository's objects which nobody used since a time, in their order."""
    query = (
        sa.select(_links.c.oid, _links.c.size)
        .where(_links.c.repo_id == repo_id, _links.c.used_at < before, _links.c.oid > after)
        .order_by(_links.c.oid)
        .limit(limit)
    )
    return {str(row.oid): int(row.size) for row in await conn.execute(query)}


async def unlink_unused(
    conn: Connection, repo_id: int, oids: Collection[str], before: float
) -> int:
    """Take these objects from a repository unless somebody used them since; their number."""
    query = sa.delete(_links).where(
        _links.c.repo_id == repo_id, _links.c.oid.in_(oids), _links.c.used_at < before
    )
    return (await conn.execute(query)).rowcount


async def unlink(conn: Connection, repo_id: int, oids: Collection[str]) -> int:
    """Take these objects from a repository, whoever counts on them; their number."""
    query = sa.delete(_links).where(_links.c.repo_id == repo_id, _links.c.oid.in_(oids))
    return (await conn.execute(query)).rowcount


async def orphans(
    conn: Connection, before: float, *, after: str = "", limit: int = 1000
) -> Sequence[StoredObject]:
    """Content that no repository has, recorded before this time."""
    linked = sa.exists().where(_links.c.oid == _objects.c.oid)
    query = (
        sa.select(_objects)
        .where(_objects.c.created_at < before, _objects.c.oid > after, ~linked)
        .order_by(_objects.c.oid)
        .limit(limit)
    )
    return many(StoredObject, await conn.execute(query))


async def link_counts(conn: Connection, oids: Collection[str]) -> dict[str, int]:
    """How many repositories have each of these objects; those without any are left out."""
    query = (
        sa.select(_links.c.oid, sa.func.count().label("links"))
        .where(_links.c.oid.in_(oids))
        .group_by(_links.c.oid)
    )
    return {str(row.oid): int(row.links) for row in await conn.execute(query)}


async def known(conn: Connection, oids: Collection[str]) -> dict[str, int]:
    """The sizes of those of these objects that are recorded."""
    query = sa.select(_objects.c.oid, _objects.c.size).where(_objects.c.oid.in_(oids))
    return {str(row.oid): int(row.size) for row in await conn.execute(query)}


async def remove_orphan(conn: Connection, oid: str) -> bool:
    """Forget content unless a repository has it; whether it is forgotten."""
    linked = sa.exists().where(_links.c.oid == oid)
    query = sa.delete(_objects).where(_objects.c.oid == oid, ~linked)
    return (await conn.execute(query)).rowcount > 0
