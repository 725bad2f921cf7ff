"""Owner of ``discussions``, their counters and events: what is said about a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.store import events, schema
from hubd.store.engine import Connection
from hubd.store.rows import insert, inserted, many, now, one

_table = schema.discussions
_events = schema.discussion_events
_ns = schema.namespaces

OPEN, CLOSED, MERGED, DRAFT = "open", "closed", "merged", "draft"
COMMENT, STATUS, TITLE, PUSH, PIN, LOCK = "comment", "status", "title", "push", "pin", "lock"
REVIEW = "review"
_LIVE = (OPEN, DRAFT)
_MAX_WORDS = 8


class Discussion(msgspec.Struct, frozen=True):
    """A discussion or pull request; ``comments`` counts those after the first."""

    id: int
    repo_id: int
    num: int
    title: str
    is_pull: bool
    status: str
    author_id: int
    author: str
    pinned: bool
    locked: bool
    base: str
    merge_oid: str
    comments: int
    created_at: float
    updated_at: float

    @property
    def is_live(self) -> bool:
        """Whether it still waits for an end."""
        return self.status in _LIVE

    @property
    def ref(self) -> str:
        """Where a pull request's commits stand."""
        return f"refs/pr/{self.num}"


class Event(msgspec.Struct, frozen=True):
    """Something that happened; ``body`` is the Markdown of a comment, ``data`` depends on kind.

    A comment on a line of a difference has ``side``, ``path``, ``line`` and the side's ``commit``;
    a review its ``verdict`` and the ``commit`` that was looked at.
    """

    id: int
    kind: str
    author_id: int
    author: str
    body: str
    data: dict[str, Any]
    created_at: float
    edited_at: float | None
    edits: int
    hidden: bool


_WITH_AUTHOR = sa.select(*_table.c, _ns.c.name.label("author")).select_from(
    sa.join(_table, _ns, _table.c.author_id == _ns.c.id)
)


async def add(
    conn: Connection, *, repo_id: int, title: str, author_id: int, base: str, body: str
) -> Discussion:
    """Open a discussion, or with a ``base`` (full ref name) a pull request."""
    num = await _next_number(conn, repo_id)
    at = now()
    made = await conn.execute(
        sa.insert(_table).values(
            repo_id=repo_id,
            num=num,
            title=title,
            is_pull=bool(base),
            status=OPEN,
            author_id=author_id,
            pinned=False,
            locked=False,
            base=base,
            merge_oid="",
            comments=0,
            created_at=at,
            updated_at=at,
        )
    )
    first = await _record(conn, inserted(made), COMMENT, author_id, body, {}, at)
    about = {"discussion": inserted(made), "comment": first}
    await events.add(conn, events.DISCUSSION_CREATED, repo_id, about)
    found = await get(conn, repo_id, num)
    assert found is not None, "just written"  # noqa: S101
    return found


async def _next_number(conn: Connection, repo_id: int) -> int:
    counters = schema.discussion_counters
    query = insert(conn, counters).values(repo_id=repo_id, last=1)
    made = await conn.execute(
        query.on_conflict_do_update(
            index_elements=[counters.c.repo_id], set_={"last": counters.c.last + 1}
        ).returning(counters.c.last)
    )
    return int(made.scalar_one())


async def get(conn: Connection, repo_id: int, num: int) -> Discussion | None:
    """One of a repository's."""
    query = _WITH_AUTHOR.where(_table.c.repo_id == repo_id, _table.c.num == num)
    return one(Discussion, (await conn.execute(query)).first())


async def page(
    conn: Connection,
    repo_id: int,
    *,
    is_pull: bool | None = None,
    live: bool | None = None,
    author: str = "",
    search: str = "",
    start: int = 0,
    limit: int = 25,
) -> tuple[Sequence[Discussion], int]:
    """Some of a repository's, pinned and newest first, and how many there are in all.

    Each word of ``search`` must stand in the title or in one of the comments.
    """
    wanted: list[sa.ColumnElement[bool]] = [_table.c.repo_id == repo_id]
    if is_pull is not None:
        wanted.append(_table.c.is_pull == is_pull)
    if live is not None:
        state = _table.c.status.in_(_LIVE)
        wanted.append(state if live else ~state)
    if author:
        wanted.append(_ns.c.name_fold == author.lower())
    wanted += [_says(word) for word in search.lower().split()[:_MAX_WORDS]]
    query = _WITH_AUTHOR.where(*wanted)
    total = sa.select(sa.func.count()).select_from(query.subquery())
    count = (await conn.execute(total)).scalar_one()
    rows = await conn.execute(
        query.order_by(_table.c.pinned.desc(), _table.c.num.desc()).offset(start).limit(limit)
    )
    return many(Discussion, rows), int(count)


def _says(word: str) -> sa.ColumnElement[bool]:
    said = sa.select(_events.c.id).where(
        _events.c.discussion_id == _table.c.id,
        sa.func.lower(_events.c.body).contains(word, autoescape=True),
    )
    title = sa.func.lower(_table.c.title).contains(word, autoescape=True)
    return sa.or_(title, said.exists())


async def story(conn: Connection, discussion_id: int) -> Sequence[Event]:
    """All that happened, oldest first."""
    return many(Event, await conn.execute(_event_query(discussion_id).order_by(_events.c.id)))


async def event(conn: Connection, discussion_id: int, event_id: int) -> Event | None:
    """One thing that happened in this discussion."""
    query = _event_query(discussion_id).where(_events.c.id == event_id)
    return one(Event, (await conn.execute(query)).first())


def _event_query(discussion_id: int) -> sa.Select[Any]:
    return (
        sa.select(
            _events.c.id,
            _events.c.kind,
            _events.c.author_id,
            _ns.c.name.label("author"),
            _events.c.body,
            _events.c.data,
            _events.c.created_at,
            _events.c.edited_at,
            _events.c.edits,
            _events.c.hidden,
        )
        .select_from(sa.join(_events, _ns, _events.c.author_id == _ns.c.id))
        .where(_events.c.discussion_id == discussion_id)
    )


async def record(
    conn: Connection,
    discussion_id: int,
    kind: str,
    author_id: int,
    *,
    body: str = "",
    data: Mapping[str, Any] | None = None,
) -> int:
    """Add something that happened; returns its id."""
    at = now()
    comments = _table.c.comments + (1 if kind == COMMENT else 0)
    await conn.execute(
        sa.update(_table)
        .where(_table.c.id == discussion_id)
        .values(updated_at=at, comments=comments)
    )
    made = await _record(conn, discussion_id, kind, author_id, body, data or {}, at)
    if kind == COMMENT:
        await _tell(conn, events.COMMENT_CREATED, discussion_id, made)
    else:
        await _tell(conn, events.DISCUSSION_CHANGED, discussion_id)
    return made


async def _tell(
    conn: Connection, kind: str, discussion_id: int, event_id: int | None = None
) -> None:
    where = sa.select(_table.c.repo_id).where(_table.c.id == discussion_id).scalar_subquery()
    about = {"discussion": discussion_id}
    await events.add(
        conn, kind, where, about if event_id is None else about | {"comment": event_id}
    )


async def _record(
    conn: Connection,
    discussion_id: int,
    kind: str,
    author_id: int,
    body: str,
    data: Mapping[str, Any],
    at: float,
) -> int:
    made = await conn.execute(
        sa.insert(_events).values(
            discussion_id=discussion_id,
            kind=kind,
            author_id=author_id,
            body=body,
            data=dict(data),
            created_at=at,
            edits=0,
            hidden=False,
        )
    )
    return inserted(made)


async def change(conn: Connection, discussion_id: int, **values: object) -> None:
    """Set columns: ``title``, ``status``, ``pinned``, ``locked``, ``merge_oid``."""
    await conn.execute(sa.update(_table).where(_table.c.id == discussion_id).values(**values))


async def edit(conn: Connection, discussion_id: int, event_id: int, body: str) -> None:
    """Replace the text of a comment."""
    await conn.execute(
        sa.update(_events)
        .where(_events.c.id == event_id)
        .values(body=body, edited_at=now(), edits=_events.c.edits + 1)
    )
    await _tell(conn, events.COMMENT_CHANGED, discussion_id, event_id)


async def hide(conn: Connection, discussion_id: int, event_id: int) -> None:
    """Take a comment out of sight; its text is gone for good."""
    await conn.execute(
        sa.update(_events).where(_events.c.id == event_id).values(body="", hidden=True)
    )
    await _tell(conn, events.COMMENT_CHANGED, discussion_id, event_id)


async def by_id(conn: Connection, discussion_id: int) -> Discussion | None:
    """One, for the daemon itself."""
    query = _WITH_AUTHOR.where(_table.c.id == discussion_id)
    return one(Discussion, (await conn.execute(query)).first())


async def pulls_of(conn: Connection, repo_id: int, nums: Sequence[int]) -> dict[int, Discussion]:
    """The pull requests among these numbers."""
    query = _WITH_AUTHOR.where(
        _table.c.repo_id == repo_id, _table.c.num.in_(nums), _table.c.is_pull.is_(True)
    )
    return {pull.num: pull for pull in many(Discussion, await conn.execute(query))}


async def has_live_pull(conn: Connection, repo_id: int, author_id: int) -> bool:
    """Whether somebody has a pull request here that can still be pushed to."""
    query = sa.select(_table.c.id).where(
        _table.c.repo_id == repo_id,
        _table.c.author_id == author_id,
        _table.c.is_pull.is_(True),
        _table.c.status.in_(_LIVE),
    )
    return (await conn.execute(query.limit(1))).first() is not None
