"""Owner of ``xorbs``, ``xorb_uploads`` and the four tables whose names begin with ``xet_``.

Which repository may use which chunks follows from the objects it has; nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema, schema_xet
from hubd.store.engine import Connection
from hubd.store.rows import for_each, insert, many, now, one

_xorbs = schema_xet.xorbs
_uploads = schema_xet.xorb_uploads
_files = schema_xet.xet_files
_spans = schema_xet.xet_file_xorbs
_chunks = schema_xet.xet_chunks
_epochs = schema_xet.xet_epochs
_links = schema.object_links


class StoredXorb(msgspec.Struct, frozen=True):
    """A xorb whose bytes are in place and verified; ``size`` in bytes, without its footer."""

    hash: str
    size: int
    chunks: int


class Span(msgspec.Struct, frozen=True):
    """The chunks [first, last) of a xorb."""

    xorb: str
    first: int
    last: int


class Chunk(msgspec.Struct, frozen=True):
    """A chunk that may be asked for, and its place in a xorb, from 0."""

    hash: str
    xorb: str
    place: int


class File(msgspec.Struct, frozen=True):
    """An object that is held as chunks: its SHA-256, and the hash of its chunks."""

    oid: str
    hash: str


class Held(msgspec.Struct, frozen=True):
    """How an object is held: the chunks that it needs, and those by which it is found."""

    file: File
    spans: list[Span]
    offered: list[Chunk]


async def add_xorb(conn: Connection, xorb: StoredXorb, repo_id: int, user_id: int) -> None:
    """Record a xorb and who sent it where; one that is known is marked as used."""
    at = now()
    query = insert(conn, _xorbs).values(
        hash=xorb.hash, size=xorb.size, chunks=xorb.chunks, used_at=at
    )
    await conn.execute(
        query.on_conflict_do_update(index_elements=[_xorbs.c.hash], set_={"used_at": at})
    )
    sent = insert(conn, _uploads).values(repo_id=repo_id, user_id=user_id, xorb=xorb.hash)
    await conn.execute(sent.on_conflict_do_nothing())


async def xorbs(conn: Connection, hashes: Collection[str]) -> dict[str, StoredXorb]:
    """Those of these xorbs that are stored."""
    columns = (_xorbs.c.hash, _xorbs.c.size, _xorbs.c.chunks)
    query = sa.select(*columns).where(_xorbs.c.hash.in_(hashes))
    return {xorb.hash: xorb for xorb in many(StoredXorb, await conn.execute(query))}


async def uploaded(
    conn: Connection, repo_id: int, user_id: int, hashes: Collection[str]
) -> set[str]:
    """Those of these xorbs that this person sent to this repository."""
    query = sa.select(_uploads.c.xorb).where(
        _uploads.c.repo_id == repo_id, _uploads.c.user_id == user_id, _uploads.c.xorb.in_(hashes)
    )
    return {str(row.xorb) for row in await conn.execute(query)}


async def readable(
    conn: Connection, visible: sa.ColumnElement[bool], hashes: Collection[str]
) -> Sequence[Span]:
    """What objects of repositories under a predicate on ``repos`` use of these xorbs."""
    source = sa.join(_spans, _links, _spans.c.oid == _links.c.oid)
    source = sa.join(source, schema.repos, _links.c.repo_id == schema.repos.c.id)
    query = (
        sa.select(_spans.c.xorb, _spans.c.first, _spans.c.last)
        .select_from(source)
        .where(_spans.c.xorb.in_(hashes), visible)
        .distinct()
    )
    return many(Span, await conn.execute(query))


async def user_of(conn: Connection, visible: sa.ColumnElement[bool], place: Chunk) -> str | None:
    """The newest object of such repositories that uses a chunk in this place; its SHA-256."""
    source = sa.join(_spans, _links, _spans.c.oid == _links.c.oid)
    source = sa.join(source, schema.repos, _links.c.repo_id == schema.repos.c.id)
    query = (
        sa.select(_spans.c.oid)
        .select_from(source)
        .where(
            _spans.c.xorb == place.xorb,
            _spans.c.first <= place.place,
            _spans.c.last > place.place,
            visible,
        )
        .order_by(_links.c.created_at.desc())
        .limit(1)
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def chunks(conn: Connection, chunk: str, limit: int = 100) -> Sequence[Chunk]:
    """Where a chunk lies."""
    query = sa.select(_chunks).where(_chunks.c.hash == chunk).limit(limit)
    return many(Chunk, await conn.execute(query))


async def add_files(conn: Connection, added: Sequence[Held]) -> None:
    """Record how recorded objects are held; what is known of one already stays."""
    known = await files(conn, [held.file.oid for held in added])
    new = [held for held in added if held.file.oid not in known]
    await for_each(conn, sa.insert(_files), (msgspec.to_builtins(held.file) for held in new))
    spans = (
        {"oid": held.file.oid, **msgspec.to_builtins(span)} for held in new for span in held.spans
    )
    await for_each(conn, sa.insert(_spans), spans)
    offered = (msgspec.to_builtins(chunk) for held in added for chunk in held.offered)
    await for_each(conn, insert(conn, _chunks).on_conflict_do_nothing(), offered)


async def files(conn: Connection, oids: Collection[str]) -> dict[str, File]:
    """Which of these objects are held as chunks."""
    query = sa.select(_files).where(_files.c.oid.in_(oids))
    return {file.oid: file for file in many(File, await conn.execute(query))}


async def file_of_repo(conn: Connection, repo_id: int, file_hash: str) -> File | None:
    """An object of a repository by the hash of its chunks."""
    query = (
        sa.select(_files)
        .select_from(sa.join(_files, _links, _files.c.oid == _links.c.oid))
        .where(_files.c.hash == file_hash, _links.c.repo_id == repo_id)
        .limit(1)
    )
    return one(File, (await conn.execute(query)).first())


async def epoch(conn: Connection, repo_id: int) -> int:
    """How often a repository's clients had to forget what they knew."""
    query = sa.select(_epochs.c.epoch).where(_epochs.c.repo_id == repo_id)
    return int((await conn.execute(query)).scalar_one_or_none() or 0)


async def next_epoch(conn: Connection, repo_ids: Collection[int]) -> None:
    """Have the clients of these repositories forget which chunks were here."""
    if not repo_ids:
        return
    query = insert(conn, _epochs)
    await conn.execute(
        query.on_conflict_do_update(
            index_elements=[_epochs.c.repo_id], set_={"epoch": _epochs.c.epoch + 1}
        ),
        [{"repo_id": repo_id, "epoch": 1} for repo_id in repo_ids],
    )


async def orphans(conn: Connection, before: float, limit: int = 1000) -> Sequence[StoredXorb]:
    """Xorbs that no object needs and nobody has sent since."""
    needed = sa.exists().where(_spans.c.xorb == _xorbs.c.hash)
    columns = (_xorbs.c.hash, _xorbs.c.size, _xorbs.c.chunks)
    query = sa.select(*columns).where(_xorbs.c.used_at < before, ~needed).limit(limit)
    return many(StoredXorb, await conn.execute(query))


async def remove_orphan(conn: Connection, xorb: str, before: float) -> bool:
    """Forget a xorb unless an object needs it; whether it is forgotten.

    Clients of the repositories that it was sent to are made to forget it too.
    """
    senders = sa.select(_uploads.c.repo_id).where(_uploads.c.xorb == xorb).distinct()
    repo_ids = [int(row.repo_id) for row in await conn.execute(senders)]
    needed = sa.exists().where(_spans.c.xorb == xorb)
    query = sa.delete(_xorbs).where(_xorbs.c.hash == xorb, _xorbs.c.used_at < before, ~needed)
    if not (await conn.execute(query)).rowcount:
        return False
    await next_epoch(conn, repo_ids)
    return True
