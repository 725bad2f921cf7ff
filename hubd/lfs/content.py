"""Objects of repositories: take bytes in, verified; hand bytes out to who may read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial

from hubd import access
from hubd.blobs.base import PIECE, Key, Sink
from hubd.errors import Invalid, NotFound
from hubd.lfs import quota
from hubd.lfs.context import Lfs
from hubd.names import is_oid
from hubd.obs.failpoints import afail
from hubd.store import objects, xet
from hubd.store.engine import Connection
from hubd.store.objects import Link
from hubd.store.repos import Repo
from hubd.types import Actor

MAX_SIZE = 2**63 - 1
_OID_LENGTH = 64


def check_oid(text: object) -> str:
    """Exactly 64 lower-case hex digits; raises ``Invalid``."""
    if not isinstance(text, str) or len(text) != _OID_LENGTH or not is_oid(text):
        raise Invalid("An oid is the SHA-256 in 64 lower-case hexadecimal digits.")
    return text


async def links(lfs: Lfs, repo_id: int, oids: Iterable[str]) -> dict[str, Link]:
    """Which of these objects a repository has; those found are safe from collection for hours."""
    async with lfs.store.read() as conn:
        found = await objects.links(conn, repo_id, oids)
    stale = [link.oid for link in found.values() if not link.is_fresh]
    if not stale:
        return found
    kept = await lfs.store.write(partial(objects.touch, repo_id=repo_id, oids=stale))
    return {oid: link for oid, link in found.items() if link.is_fresh or oid in kept}


async def link(lfs: Lfs, repo_id: int, oid: str) -> Link:
    """A repository's object; raises ``NotFound``."""
    found = (await lfs.store.remembered(objects.links, repo_id, (oid,))).get(oid)
    if found is None or not found.is_fresh:
        found = (await links(lfs, repo_id, [oid])).get(oid)
    if found is None:
        raise NotFound("This repository has no such object.")
    return found


async def adopt(lfs: Lfs, actor: Actor, repo: Repo, wanted: Mapping[str, int]) -> dict[str, int]:
    """Link what the actor may read elsewhere, without an upload; the sizes of what was linked.

    ``wanted`` is sizes by oid; one of another size stays unlinked. Raises ``QuotaExceeded``. What
    the actor may not read has to be sent: the bytes are the proof.
    """

    async def work(conn: Connection) -> dict[str, int]:
        seen = await objects.readable(conn, access.fetchable(actor), wanted)
        known = {oid: size for oid, size in seen.items() if size == wanted[oid]}
        if known:
            await quota.require_room(lfs, conn, repo, sum(known.values()), len(known), payer=payer)
            await objects.link(conn, repo.id, known, actor.user_id, payer)
        return known

    async with lfs.store.read() as conn:
        if not await objects.readable(conn, access.fetchable(actor), wanted):
            return {}
    payer = await quota.payer(lfs, repo, actor.user_id)
    async with quota.one_at_a_time(lfs, repo, payer):
        return await lfs.store.write(work)


async def receive(
    lfs: Lfs, repo: Repo, user_id: int | None, oid: str, size: int, pieces: AsyncIterator[bytes]
) -> None:
    """Store an object and link it, once ``size`` bytes with this SHA-256 have come.

    Raises ``Invalid`` for other bytes, ``QuotaExceeded``, ``Unavailable``; nothing is kept then.
    """
    await quota.require_disk(lfs, size)
    sink = await lfs.blobs.begin(size)
    try:
        async for piece in pieces:
            if sink.size + len(piece) > size:
                raise Invalid(f"More than the {size} bytes announced were sent.")
            await sink.write(piece)
        if sink.size != size:
            raise Invalid(f"{sink.size} bytes were sent, not the {size} announced.")
        if await sink.sha256() != oid:
            raise Invalid("The bytes sent do not have the SHA-256 of this object.")
        await _keep(lfs, repo, user_id, oid, sink)
    finally:
        await sink.discard()


async def _keep(lfs: Lfs, repo: Repo, user_id: int | None, oid: str, sink: Sink) -> None:
    key = Key.object(oid)
    async with lfs.locks.hold(oid):
        if not await _is_stored(lfs, key):
            await sink.commit(key)
        await afail("lfs.before_link")
        await record(lfs, repo, user_id, oid, sink.size)


async def _is_stored(lfs: Lfs, key: Key) -> bool:
    """Whether the object is here, whole or as chunks; only a row says that chunks stay."""
    async with lfs.store.read() as conn:
        held = await xet.files(conn, [key.name])
    return bool(held) or await lfs.blobs.stat(key) is not None


async def record(lfs: Lfs, repo: Repo, user_id: int | None, oid: str, size: int) -> None:
    """Write down that content is stored and that the repository has it.

    The caller holds the object's lock and has verified the bytes. Raises ``QuotaExceeded``.
    """

    async def work(conn: Connection) -> None:
        if oid not in await objects.links(conn, repo.id, [oid]):
            await quota.require_room(lfs, conn, repo, size, payer=payer)
        await objects.add(conn, oid, size)
        await objects.link(conn, repo.id, {oid: size}, user_id, payer)

    payer = await quota.payer(lfs, repo, user_id)
    async with quota.one_at_a_time(lfs, repo, payer):
        await lfs.store.write(work)


def read(lfs: Lfs, oid: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """The bytes [start, end) in pieces of at most ``PIECE``; the caller has found the link."""
    return lfs.reader.read(oid, start, end)


async def local_path(lfs: Lfs, oid: str) -> str | None:
    """A file with exactly the object's bytes, where there is one."""
    return await lfs.blobs.local_path(Key.object(oid))


async def gather(pieces: AsyncIterator[bytes], least: int = PIECE) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces: each is a trip to a thread."""
    held: list[bytes] = []
    size = 0
    async for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= least:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
