"""Owner of ``uploads`` and ``upload_parts``: uploads that take several requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import many, now, one

_uploads = schema.uploads
_parts = schema.upload_parts


class Upload(msgspec.Struct, frozen=True):
    """An upload under way; sizes in bytes. ``kind`` is ``parts`` or ``direct``."""

    id: str
    repo_id: int
    user_id: int | None
    kind: str
    oid: str
    size: int
    part_size: int
    handle: str
    created_at: float
    expires_at: float


class UploadPart(msgspec.Struct, frozen=True):
    """A part that has arrived: number from 1, bytes, and its name in the back end."""

    number: int
    size: int
    etag: str


async def add(conn: Connection, begun: Sequence[Upload]) -> None:
    """Record uploads that the back end has begun."""
    if begun:
        await conn.execute(sa.insert(_uploads), [msgspec.structs.asdict(one) for one in begun])


async def get(conn: Connection, repo_id: int, upload_id: str) -> Upload | None:
    """An upload of this repository that has not expired."""
    query = sa.select(_uploads).where(
        _uploads.c.id == upload_id, _uploads.c.repo_id == repo_id, _uploads.c.expires_at > now()
    )
    return one(Upload, (await conn.execute(query)).first())


async def of_person(
    conn: Connection, repo_id: int, user_id: int | None, oid: str, upload_id: str
) -> Upload | None:
    """As ``get``, if it is of this object by this person."""
    upload = await get(conn, repo_id, upload_id)
    if upload is None or (upload.oid, upload.user_id) != (oid, user_id):
        return None
    return upload


async def of_objects(
    conn: Connection, repo_id: int, user_id: int | None, kind: str, oids: Iterable[str]
) -> dict[str, Upload]:
    """The newest live upload of each of these objects by the same person, to go on with."""
    query = (
        sa.select(_uploads)
        .where(
            _uploads.c.repo_id == repo_id,
            _uploads.c.user_id == user_id,
            _uploads.c.kind == kind,
            _uploads.c.oid.in_(oids),
            _uploads.c.expires_at > now(),
        )
        .order_by(_uploads.c.created_at)
    )
    return {upload.oid: upload for upload in many(Upload, await conn.execute(query))}


async def prolong(conn: Connection, ids: Collection[str], expires_at: float) -> set[str]:
    """Let uploads live until then; returns those that are still there."""
    query = (
        sa.update(_uploads)
        .where(_uploads.c.id.in_(ids))
        .values(expires_at=expires_at)
        .returning(_uploads.c.id)
    )
    return {str(row.id) for row in await conn.execute(query)}


async def put_part(conn: Connection, upload_id: str, part: UploadPart) -> None:
    """Record a part that is stored; one of the same number is replaced."""
    await conn.execute(
        sa.delete(_parts).where(_parts.c.upload_id == upload_id, _parts.c.number == part.number)
    )
    await conn.execute(
        sa.insert(_parts).values(
            upload_id=upload_id, number=part.number, size=part.size, etag=part.etag
        )
    )


async def parts(conn: Connection, upload_ids: Collection[str]) -> dict[str, list[UploadPart]]:
    """What has arrived of each of these uploads, in order."""
    query = sa.select(_parts).where(_parts.c.upload_id.in_(upload_ids)).order_by(_parts.c.number)
    found: dict[str, list[UploadPart]] = {one: [] for one in upload_ids}
    for row in await conn.execute(query):
        found[row.upload_id].append(UploadPart(row.number, row.size, row.etag))
    return found


async def remove(conn: Connection, upload_id: str) -> None:
    """Forget an upload; harmless if it is not there."""
    await conn.execute(sa.delete(_uploads).where(_uploads.c.id == upload_id))


async def remove_all(conn: Connection) -> None:
    """Forget all uploads: the back end has become another."""
    await conn.execute(sa.delete(_uploads))


async def remove_expired(conn: Connection, upload_id: str) -> bool:
    """Forget an upload unless somebody goes on with it; whether it is forgotten."""
    query = sa.delete(_uploads).where(_uploads.c.id == upload_id, _uploads.c.expires_at <= now())
    return (await conn.execute(query)).rowcount > 0


async def expired(conn: Connection, limit: int = 1000) -> Sequence[Upload]:
    """Uploads whose time is over."""
    query = sa.select(_uploads).where(_uploads.c.expires_at <= now()).limit(limit)
    return many(Upload, await conn.execute(query))


async def handles(conn: Connection) -> frozenset[str]:
    """What the back end must keep."""
    return frozenset(str(row.handle) for row in await conn.execute(sa.select(_uploads.c.handle)))
