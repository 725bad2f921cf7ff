"""Owner of ``cards`` and ``card_tags``: what repositories' cards say, for lists and searches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.repos import JOIN, Repo, columns
from hubd.store.rows import insert, many

_table = schema.cards
_tags = schema.card_tags
_repos = schema.repos
MAX_TAG = 200


class Card(msgspec.Struct, frozen=True):
    """What is known of a repository from its default branch; ``data`` is the front matter."""

    data: dict[str, Any] | None = None
    tags: list[str] = []
    pipeline_tag: str | None = None
    library_name: str | None = None
    sdk: str | None = None
    # What the heads of a model's files say; both have a ``total`` of parameters.
    safetensors: dict[str, Any] | None = None
    gguf: dict[str, Any] | None = None


class Row(msgspec.Struct, frozen=True):
    """A card, and the commit it was read at."""

    repo_id: int
    commit_oid: str
    card: Card


async def put(conn: Connection, repo_id: int, commit: str, seen_at: float, card: Card) -> None:
    """Remember what a card says, in place of what it said before."""
    values = {
        "seen_at": seen_at,
        "commit_oid": commit,
        "card": msgspec.to_builtins(card),
    }
    query = insert(conn, _table).values(repo_id=repo_id, **values)
    await conn.execute(query.on_conflict_do_update(index_elements=[_table.c.repo_id], set_=values))
    await conn.execute(sa.delete(_tags).where(_tags.c.repo_id == repo_id))
    rows = [{"repo_id": repo_id, "tag": tag} for tag in sorted({t[:MAX_TAG] for t in card.tags})]
    if rows:
        await conn.execute(sa.insert(_tags), rows)


async def forget(conn: Connection, repo_id: int) -> None:
    """Have the card read anew before it is shown in a list again."""
    await conn.execute(sa.delete(_table).where(_table.c.repo_id == repo_id))


async def of(conn: Connection, repo_ids: Collection[int]) -> dict[int, Row]:
    """The cards of these repositories, by their ids."""
    query = sa.select(_table.c.repo_id, _table.c.commit_oid, _table.c.card)
    found = many(Row, await conn.execute(query.where(_table.c.repo_id.in_(repo_ids))))
    return {row.repo_id: row for row in found}


async def stale(conn: Connection, limit: int) -> Sequence[Repo]:
    """Repositories that changed since their card was read, latest first."""
    query = (
        sa.select(*columns())
        .select_from(JOIN.outerjoin(_table, _table.c.repo_id == _repos.c.id))
        .where(
            _repos.c.deleted_at.is_(None),
            _repos.c.pushed_at.is_not(None),
            sa.or_(_table.c.seen_at.is_(None), _table.c.seen_at < _repos.c.updated_at),
        )
        .order_by(_repos.c.updated_at.desc())
        .limit(limit)
    )
    return many(Repo, await conn.execute(query))


def tagged(tag: str) -> sa.ColumnElement[bool]:
    """A predicate on ``repos``: its card gives this tag."""
    return sa.exists().where(_tags.c.repo_id == _repos.c.id, _tags.c.tag == tag[:MAX_TAG])


def tagged_like(word: str) -> sa.ColumnElement[bool]:
    """A predicate on ``repos``: a tag of its card has this word, given in lower case, in it."""
    found = sa.func.lower(_tags.c.tag).contains(word, autoescape=True)
    return sa.exists().where(_tags.c.repo_id == _repos.c.id, found)


def sized(least: int | None, most: int | None) -> sa.ColumnElement[bool]:
    """A predicate on ``repos``: a model with at least and at most so many parameters."""
    total = sa.func.coalesce(
        *(
            sa.cast(_table.c.card[(kind, "total")].as_string(), sa.BigInteger)
            for kind in ("safetensors", "gguf")
        )
    )
    within = [total >= (least or 0)] + ([total <= most] if most is not None else [])
    return sa.exists().where(_table.c.repo_id == _repos.c.id, *within)


async def tags(
    conn: Connection, visible: sa.ColumnElement[bool], repo_type: str, limit: int
) -> list[str]:
    """The tags of repositories under a predicate, the most used first."""
    query = (
        sa.select(_tags.c.tag)
        .select_from(sa.join(_tags, _repos, _tags.c.repo_id == _repos.c.id))
        .where(visible, _repos.c.type == repo_type)
        .group_by(_tags.c.tag)
        .order_by(sa.func.count().desc(), _tags.c.tag)
        .limit(limit)
    )
    return [str(row.tag) for row in await conn.execute(query)]
