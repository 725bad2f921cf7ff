"""Owner of ``uploads`` and ``upload_parts``: uploads that take several requests."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import many, now, one

_uploads = schema.uploads
_parts = schema.upload_parts


class Upload(msgspec.Struct, frozen=True):
    """An upload under way; sizes in bytes."""

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


async def add(
    conn: Connection,
    *,
    id: str,  # noqa: A002
    repo_id: int,
    user_id: int | None,
    kind: str,
    oid: str,
    size: int,
    part_size: int,
    handle: str,
    expires_at: float,
) -> None:
    """Record an upload that the back end has begun."""
    await conn.execute(
        sa.insert(_uploads).values(
            id=id,
            repo_id=repo_id,
            user_id=user_id,
            kind=kind,
            oid=oid,
            size=size,
            part_size=part_size,
            handle=handle,
            created_at=now(),
            expires_at=expires_at,
        )
    )


async def get(conn: Connection, repo_id: int, upload_id: str) -> Upload | None:
    """An upload of this repository that has not expired."""
    query = sa.select(_uploads).where(
        _uploads.c.id == upload_id, _uploads.c.repo_id == repo_id, _uploads.c.expires_at > now()
    )
    return one(Upload, (await conn.execute(query)).first())


async def of_object(
    conn: Connection, repo_id: int, user_id: int | None, kind: str, oid: str
) -> Upload | None:
    """The newest live upload of an object by the same person, to go on with."""
    query = (
        sa.select(_uploads)
        .where(
            _uploads.c.repo_id == repo_id,
            _uploads.c.user_id == user_id,
            _uploads.c.kind == kind,
            _uploads.c.oid == oid,
            _uploads.c.expires_at > now(),
        )
        .order_by(_uploads.c.created_at.desc())
        .limit(1)
    )
    return one(Upload, (await conn.execute(query)).first())


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


async def parts(conn: Connection, upload_id: str) -> Sequence[UploadPart]:
    """What has arrived, in order."""
    query = (
        sa.select(_parts.c.number, _parts.c.size, _parts.c.etag)
        .where(_parts.c.upload_id == upload_id)
        .order_by(_parts.c.number)
    )
    return many(UploadPart, await conn.execute(query))


async def remove(conn: Connection, upload_id: str) -> None:
    """Forget an upload; harmless if it is not there."""
    await conn.execute(sa.delete(_uploads).where(_uploads.c.id == upload_id))


async def expired(conn: Connection, limit: int = 1000) -> Sequence[Upload]:
    """Uploads whose time is over."""
    query = sa.select(_uploads).where(_uploads.c.expires_at <= now()).limit(limit)
    return many(Upload, await conn.execute(query))


async def handles(conn: Connection) -> frozenset[str]:
    """What the back end must keep."""
    return frozenset(str(row.handle) for row in await conn.execute(sa.select(_uploads.c.handle)))
