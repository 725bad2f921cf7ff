"""Owner of ``collections``, their items and votes."""

from __future__ import annotations

import secrets
from collections.abc import Collection as Some
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict, NotFound
from hubd.store import schema, schema_social
from hubd.store.engine import Connection
from hubd.store.rows import insert, inserted, many, now, one

_table = schema_social.collections
_items = schema_social.collection_items
_votes = schema_social.collection_votes
_ns = schema.namespaces

UPDATED, VOTES = "updated", "votes"


class Collection(msgspec.Struct, frozen=True):
    """A list that a user or organization shows; ``votes`` counts who likes it."""

    id: int
    namespace_id: int
    namespace: str
    namespace_kind: str
    title: str
    description: str
    private: bool
    theme: str
    mark: str
    created_at: float
    updated_at: float
    votes: int


class Item(msgspec.Struct, frozen=True):
    """One line of a collection: a repository or another collection."""

    id: int
    collection_id: int
    repo_id: int | None
    nested_id: int | None
    note: str
    position: int


_COUNT = (
    sa.select(sa.func.count())
    .where(_votes.c.collection_id == _table.c.id)
    .correlate(_table)
    .scalar_subquery()
)
_SELECT = sa.select(
    *_table.c,
    _ns.c.name.label("namespace"),
    _ns.c.kind.label("namespace_kind"),
    _COUNT.label("votes"),
).select_from(sa.join(_table, _ns, _table.c.namespace_id == _ns.c.id))


async def add(
    conn: Connection, *, namespace_id: int, title: str, description: str, private: bool
) -> int:
    """A new, empty collection; raises ``Conflict`` if the namespace has one of this title."""
    if await titled(conn, namespace_id, title) is not None:
        raise Conflict(f"A collection named {title!r} exists already.")
    made = await conn.execute(
        sa.insert(_table).values(
            namespace_id=namespace_id,
            title=title,
            description=description,
            private=private,
            theme="green",
            mark=secrets.token_hex(12),
            created_at=now(),
            updated_at=now(),
        )
    )
    return inserted(made)


async def titled(conn: Connection, namespace_id: int, title: str) -> Collection | None:
    """A namespace's collection of this title."""
    query = _SELECT.where(_table.c.namespace_id == namespace_id, _table.c.title == title)
    return one(Collection, (await conn.execute(query)).first())


async def by_mark(
    conn: Connection, visible: sa.ColumnElement[bool], mark: str
) -> Collection | None:
    """The one whose address ends so, under a predicate."""
    query = _SELECT.where(_table.c.mark == mark, visible)
    return one(Collection, (await conn.execute(query)).first())


async def by_ids(
    conn: Connection, visible: sa.ColumnElement[bool], ids: Some[int]
) -> dict[int, Collection]:
    """Those under a predicate, by id."""
    found = many(Collection, await conn.execute(_SELECT.where(_table.c.id.in_(ids), visible)))
    return {collection.id: collection for collection in found}


async def page(
    conn: Connection,
    visible: sa.ColumnElement[bool],
    *,
    namespace_ids: Sequence[int] = (),
    repo_ids: Sequence[int] = (),
    sort: str = UPDATED,
    start: int = 0,
    limit: int = 100,
) -> Sequence[Collection]:
    """Collections under a predicate, of some owners, with any of some repositories."""
    query = _SELECT.where(visible)
    if namespace_ids:
        query = query.where(_table.c.namespace_id.in_(namespace_ids))
    if repo_ids:
        having = sa.select(_items.c.collection_id).where(_items.c.repo_id.in_(repo_ids))
        query = query.where(_table.c.id.in_(having))
    order = [_COUNT.desc()] if sort == VOTES else []
    query = query.order_by(*order, _table.c.updated_at.desc(), _table.c.id.desc())
    return many(Collection, await conn.execute(query.offset(start).limit(limit)))


async def change(conn: Connection, collection_id: int, **values: object) -> None:
    """Set columns: ``title``, ``description``, ``private``, ``theme``; none: it was touched."""
    await conn.execute(
        sa.update(_table).where(_table.c.id == collection_id).values(updated_at=now(), **values)
    )


async def remove(conn: Connection, collection_id: int) -> None:
    """Forget it."""
    await conn.execute(sa.delete(_table).where(_table.c.id == collection_id))


async def items(conn: Connection, collection_ids: Some[int]) -> Sequence[Item]:
    """Their lines, in order."""
    query = sa.select(_items).where(_items.c.collection_id.in_(collection_ids))
    return many(Item, await conn.execute(query.order_by(_items.c.position, _items.c.id)))


async def add_item(
    conn: Connection,
    collection_id: int,
    *,
    repo_id: int | None = None,
    nested_id: int | None = None,
    note: str = "",
    most: int,
) -> int:
    """A new last line; raises ``Conflict`` if it is there, or if there are too many."""
    there = await items(conn, [collection_id])
    if any((item.repo_id, item.nested_id) == (repo_id, nested_id) for item in there):
        raise Conflict("It is in this collection already.")
    if len(there) >= most:
        raise Conflict(f"A collection has at most {most} items.")
    position = max((item.position for item in there), default=-1) + 1
    made = await conn.execute(
        sa.insert(_items).values(
            collection_id=collection_id,
            repo_id=repo_id,
            nested_id=nested_id,
            note=note,
            position=position,
        )
    )
    await change(conn, collection_id)
    return inserted(made)


async def change_item(
    conn: Connection,
    collection_id: int,
    item_id: int,
    *,
    note: str | None = None,
    position: int | None = None,
) -> None:
    """Another note, another place; raises ``NotFound``."""
    there = list(await items(conn, [collection_id]))
    item = next((item for item in there if item.id == item_id), None)
    if item is None:
        raise NotFound("This collection has no such item.")
    if note is not None:
        await _set_item(conn, item_id, note=note)
    if position is not None:
        there.remove(item)
        there.insert(position, item)
        for place, one_item in enumerate(there):
            if one_item.position != place:
                await _set_item(conn, one_item.id, position=place)
    await change(conn, collection_id)


async def _set_item(conn: Connection, item_id: int, **values: object) -> None:
    await conn.execute(sa.update(_items).where(_items.c.id == item_id).values(**values))


async def remove_item(conn: Connection, collection_id: int, item_id: int) -> None:
    """Take a line out; raises ``NotFound``."""
    done = await conn.execute(
        sa.delete(_items).where(_items.c.collection_id == collection_id, _items.c.id == item_id)
    )
    if done.rowcount == 0:
        raise NotFound("This collection has no such item.")
    await change(conn, collection_id)


async def vote(conn: Connection, user_id: int, collection_id: int, *, likes_it: bool) -> None:
    """Like it, or no longer; once counts."""
    if likes_it:
        query = insert(conn, _votes).values(user_id=user_id, collection_id=collection_id)
        keys = [_votes.c.user_id, _votes.c.collection_id]
        await conn.execute(query.on_conflict_do_nothing(index_elements=keys))
        return
    await conn.execute(
        sa.delete(_votes).where(
            _votes.c.user_id == user_id, _votes.c.collection_id == collection_id
        )
    )
