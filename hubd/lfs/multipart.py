"""Uploads in parts: each part is durable by itself, so that a client goes on where it broke off.

The ways of clients differ (``http/lfs_parts.py``), the uploads do not. A part's address carries the
right to that part alone. Nothing is linked before the whole has the right SHA-256.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial

import msgspec

from hubd.blobs.base import Key, Part
from hubd.errors import Conflict, Invalid, NotFound
from hubd.lfs import content
from hubd.lfs.context import Lfs
from hubd.lfs.signing import ObjectTicket, PartTicket
from hubd.obs.failpoints import afail
from hubd.store import uploads
from hubd.store.engine import Connection
from hubd.store.repos import Repo
from hubd.store.uploads import Upload, UploadPart
from hubd.types import Actor

# Decision 40: an upload and the addresses of its parts live this long after the last batch.
SECONDS = 24 * 3600
MAX_PARTS = 1000
KIND = "parts"
_GONE = "This upload is not known any more; ask for a new one."


class Session(msgspec.Struct, frozen=True):
    """An upload under way and the numbers of the parts that are stored."""

    upload: Upload
    stored: frozenset[int] = frozenset()

    @property
    def numbers(self) -> range:
        """All its parts, from 1."""
        return _numbers(self.upload)


def _numbers(upload: Upload) -> range:
    return range(1, max(1, -(-upload.size // upload.part_size)) + 1)


def span(upload: Upload, number: int) -> tuple[int, int]:
    """Where a part begins in the object, and its size in bytes."""
    offset = (number - 1) * upload.part_size
    return offset, min(upload.part_size, upload.size - offset)


async def begin(lfs: Lfs, actor: Actor, repo: Repo, sizes: Mapping[str, int]) -> dict[str, Session]:
    """An upload for each object: the actor's own if one is under way, else a new one."""
    async with lfs.store.read() as conn:
        found = await uploads.of_objects(conn, repo.id, actor.user_id, KIND, sizes)
    expires_at = time.time() + SECONDS
    old = [upload.id for oid, upload in found.items() if upload.size == sizes[oid]]
    kept = await lfs.store.write(partial(uploads.prolong, ids=old, expires_at=expires_at))
    going = {oid: upload for oid, upload in found.items() if upload.id in kept}
    fresh = [
        await _fresh(lfs, actor, repo, oid, size, expires_at)
        for oid, size in sizes.items()
        if oid not in going
    ]
    await lfs.store.write(partial(uploads.add, begun=fresh))
    async with lfs.store.read() as conn:
        stored = await uploads.parts(conn, kept)
    sessions = {upload.oid: Session(upload) for upload in fresh}
    for oid, upload in going.items():
        numbers = frozenset(part.number for part in stored[upload.id])
        sessions[oid] = Session(msgspec.structs.replace(upload, expires_at=expires_at), numbers)
    return sessions


async def _fresh(
    lfs: Lfs, actor: Actor, repo: Repo, oid: str, size: int, expires_at: float
) -> Upload:
    return Upload(
        id=secrets.token_hex(16),
        repo_id=repo.id,
        user_id=actor.user_id,
        kind=KIND,
        oid=oid,
        size=size,
        part_size=max(lfs.config.part_size, -(-size // MAX_PARTS)),
        handle=await lfs.blobs.begin_parts(size),
        created_at=time.time(),
        expires_at=expires_at,
    )


async def receive(
    lfs: Lfs, ticket: PartTicket, length: int | None, pieces: AsyncIterator[bytes]
) -> str:
    """Store one part; what the back end calls it. ``length`` is what the client announced.

    Raises ``Invalid`` for another number of bytes, ``NotFound`` when the upload has ended.
    """
    async with lfs.store.read() as conn:
        upload = await uploads.get(conn, ticket.repo_id, ticket.upload_id)
    if upload is None or ticket.number not in _numbers(upload):
        raise NotFound(_GONE)
    offset, size = span(upload, ticket.number)
    if length is not None and length != size:
        raise Invalid(f"Part {ticket.number} has {size} bytes, not {length}.")
    try:
        part = await lfs.blobs.write_part(upload.handle, ticket.number, offset, pieces, size)
    except NotFound:
        await lfs.store.write(partial(uploads.remove, upload_id=upload.id))
        raise NotFound(_GONE) from None

    async def work(conn: Connection) -> None:
        if await uploads.get(conn, ticket.repo_id, ticket.upload_id) is None:
            raise NotFound(_GONE)
        await uploads.put_part(conn, ticket.upload_id, UploadPart(part.number, size, part.etag))

    await lfs.store.write(work)
    return part.etag


async def complete(
    lfs: Lfs, repo: Repo, ticket: ObjectTicket, upload_id: str, claimed: Mapping[int, str]
) -> None:
    """Put the parts together and link the object; harmless when that is done already.

    ``claimed`` is what the client was told of each part, by number. Raises ``Conflict`` while parts
    are missing, ``Invalid`` for other bytes than the object's, ``NotFound``, ``QuotaExceeded``.
    """
    async with lfs.locks.hold(ticket.oid):
        upload, stored = await _owned(lfs, ticket, upload_id)
        if upload is None:
            await content.link(lfs, repo.id, ticket.oid)
            return
        parts = _checked(upload, stored, claimed)
        try:
            await lfs.blobs.commit_parts(upload.handle, Key.object(upload.oid), upload.size, parts)
        except (Invalid, NotFound):
            await lfs.store.write(partial(uploads.remove, upload_id=upload.id))
            raise
        await afail("lfs.before_link")
        await content.record(lfs, repo, upload.user_id, upload.oid, upload.size)
        await lfs.store.write(partial(uploads.remove, upload_id=upload.id))
        await lfs.blobs.discard_parts(upload.handle)


async def _owned(
    lfs: Lfs, ticket: ObjectTicket, upload_id: str
) -> tuple[Upload | None, list[UploadPart]]:
    """The upload if it is of this object, by this person, and what has arrived of it."""
    async with lfs.store.read() as conn:
        upload = await uploads.get(conn, ticket.repo_id, upload_id)
        if upload is None or (upload.oid, upload.user_id) != (ticket.oid, ticket.user_id):
            return None, []
        return upload, (await uploads.parts(conn, [upload.id]))[upload.id]


def _checked(upload: Upload, stored: list[UploadPart], claimed: Mapping[int, str]) -> list[Part]:
    etags = {part.number: part.etag for part in stored}
    missing = [number for number in _numbers(upload) if number not in etags]
    if missing:
        raise Conflict(f"{len(missing)} parts have not arrived, the first of them {missing[0]}.")
    wrong = [number for number, etag in claimed.items() if etags.get(number) != etag.strip('"')]
    if wrong:
        raise Conflict(f"Part {min(wrong)} is not what was sent last; send it again.")
    return [Part(part.number, part.size, part.etag) for part in stored]


async def abort(lfs: Lfs, ticket: ObjectTicket, upload_id: str) -> None:
    """Forget an upload; harmless at any time."""
    upload, _ = await _owned(lfs, ticket, upload_id)
    if upload is not None:
        await lfs.store.write(partial(uploads.remove, upload_id=upload.id))
        await lfs.blobs.discard_parts(upload.handle)


async def sweep(lfs: Lfs) -> None:
    """Discard uploads whose time is over, and bytes that no upload knows of."""
    async with lfs.store.read() as conn:
        over = await uploads.expired(conn)
    for upload in over:
        if not await lfs.store.write(partial(uploads.remove_expired, upload_id=upload.id)):
            continue
        if upload.kind == KIND:
            await lfs.blobs.discard_parts(upload.handle)
        elif lfs.blobs.direct is not None:
            await lfs.blobs.direct.drop(upload.handle)
    async with lfs.store.read() as conn:
        kept = await uploads.handles(conn)
    await lfs.blobs.sweep(time.time() - SECONDS, kept)
