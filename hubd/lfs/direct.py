"""Transfers that do not pass the daemon, where the back end lets clients reach it themselves.

What a client sends so is staged under a name of its own and is nobody's object before ``adopt`` has
found the bytes right (decision 40).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping
from functools import partial

import msgspec

from hubd.blobs.base import Key, Link
from hubd.errors import Invalid
from hubd.lfs import content
from hubd.lfs.context import Lfs
from hubd.lfs.signing import ObjectTicket
from hubd.store import uploads, xet
from hubd.store.repos import Repo
from hubd.store.uploads import Upload
from hubd.types import Actor

KIND = "direct"
# What S3 takes in one request.
MAX_SIZE = 5 * 1024**3


class Offer(msgspec.Struct, frozen=True):
    """An address to send an object to, and what is known of it until it is adopted."""

    pending: Upload
    link: Link


def is_offered(lfs: Lfs) -> bool:
    """Whether the back end can, and the operator lets it."""
    return lfs.blobs.direct is not None and lfs.config.direct_transfers


async def downloads(lfs: Lfs, oids: Collection[str], seconds: int) -> dict[str, Link]:
    """Where to fetch those objects that need not come from us; the caller has found the links.

    What is held as chunks must: only we put it together.
    """
    if lfs.blobs.direct is None or not is_offered(lfs):
        return {}
    async with lfs.store.read() as conn:
        chunked = await xet.files(conn, oids)
    whole = [oid for oid in oids if oid not in chunked]
    return {oid: await lfs.blobs.direct.download(Key.object(oid), seconds) for oid in whole}


async def upload(
    lfs: Lfs, actor: Actor, repo: Repo, sizes: Mapping[str, int], seconds: int
) -> dict[str, Offer]:
    """Where to send those objects that fit into one request, by oid."""
    if lfs.blobs.direct is None or not is_offered(lfs):
        return {}
    offers: dict[str, Offer] = {}
    for oid, size in sizes.items():
        if size > MAX_SIZE:
            continue
        staging = secrets.token_hex(16)
        pending = Upload(
            id=secrets.token_hex(16),
            repo_id=repo.id,
            user_id=actor.user_id,
            kind=KIND,
            oid=oid,
            size=size,
            part_size=size,
            handle=staging,
            created_at=time.time(),
            # A client that is late with its verify still finds it.
            expires_at=time.time() + 2 * seconds,
        )
        link = await lfs.blobs.direct.upload(staging, oid, size, seconds)
        offers[oid] = Offer(pending, link)
    begun = [offer.pending for offer in offers.values()]
    await lfs.store.write(partial(uploads.add, begun=begun))
    return offers


async def adopt(lfs: Lfs, repo: Repo, ticket: ObjectTicket, upload_id: str) -> None:
    """Link what was sent for this offer, once the bytes are found right.

    Harmless when nothing is pending. Raises ``Invalid`` for other bytes, ``QuotaExceeded``.
    """
    direct = lfs.blobs.direct
    if direct is None or not upload_id:
        return
    async with lfs.locks.hold(ticket.oid):
        async with lfs.store.read() as conn:
            pending = await uploads.of_person(
                conn, ticket.repo_id, ticket.user_id, ticket.oid, upload_id
            )
        if pending is None:
            return
        try:
            await direct.adopt(pending.handle, Key.object(pending.oid), pending.size)
        except Invalid:
            await lfs.store.write(partial(uploads.remove, upload_id=pending.id))
            await direct.drop(pending.handle)
            raise
        await content.record(lfs, repo, pending.user_id, pending.oid, pending.size)
        await lfs.store.write(partial(uploads.remove, upload_id=pending.id))
