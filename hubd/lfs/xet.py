"""Xet: who may send and read chunks, and where a file's chunks lie.

Rights follow the objects: a repository's reader may rebuild its files, and may build new files from
the chunks that they use; whoever sent a xorb may build from all of it. Nothing shows a xorb to
anybody else, and a chunk that somebody asks for is found only in what he may read.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from hubd import access
from hubd.blobs import shard, xethash, xorb
from hubd.blobs.base import Key, Kind
from hubd.blobs.chunked import ChunkList, Term, XorbRef
from hubd.errors import Invalid, NotFound, SignInNeeded
from hubd.lfs import quota
from hubd.lfs.context import Lfs
from hubd.lfs.signing import Ticket
from hubd.obs.failpoints import afail
from hubd.store import xet
from hubd.store.repos import Repo
from hubd.store.xet import StoredXorb
from hubd.types import Actor, ActorKind, Channel, Scope, TokenLimits

TOKEN_SECONDS = 900
_URL_SECONDS = 900
# Clients keep answers to chunk queries for so long.
_ANSWER_SECONDS = 3600
# 4 GiB of a file, in 3 MB.
_ANSWER_XORBS = 64
_MOST_XORBS = 20_000


class XetTicket(Ticket, frozen=True, kw_only=True):
    """An access token: one repository, and as whom; it carries the limits of the hub's token."""

    may_write: bool
    scope: Scope
    is_site_admin: bool
    namespace_ids: frozenset[int]
    repo_ids: frozenset[int]

    @property
    def actor(self) -> Actor:
        """Whoever asked for the token."""
        if self.user_id is None:
            return Actor.anonymous(Channel.HTTP)
        return Actor(
            kind=ActorKind.USER,
            user_id=self.user_id,
            is_site_admin=self.is_site_admin,
            scope=self.scope,
            limits=TokenLimits(self.namespace_ids, self.repo_ids),
            channel=Channel.HTTP,
        )


class XorbTicket(Ticket, frozen=True, kw_only=True):
    """The bytes [start, end) of a xorb."""

    xorb: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Access:
    """A token, the place it is for (``REPOID-EPOCH``), and when it ends in epoch seconds."""

    place: str
    token: str
    expires_at: int


async def access_to(lfs: Lfs, actor: Actor, repo: Repo, *, may_write: bool) -> Access:
    """A token for a repository; the caller has decided that the actor may.

    The place changes when chunks of the repository have gone: clients remember by place what is
    stored, and would refer to it for ever.
    """
    if may_write and actor.user_id is None:
        raise SignInNeeded("Sign in with a token.")
    async with lfs.store.read() as conn:
        epoch = await xet.epoch(conn, repo.id)
    expires_at = int(time.time()) + TOKEN_SECONDS
    ticket = XetTicket(
        repo_id=repo.id,
        user_id=actor.user_id,
        expires_at=expires_at,
        may_write=may_write,
        scope=actor.scope,
        is_site_admin=actor.is_site_admin,
        namespace_ids=actor.limits.namespace_ids,
        repo_ids=actor.limits.repo_ids,
    )
    return Access(f"{repo.id}-{epoch}", lfs.signer.sign(ticket), expires_at)


async def receive_xorb(
    lfs: Lfs, repo: Repo, user_id: int, name: str, size: int | None, pieces: AsyncIterator[bytes]
) -> bool:
    """Verify and store a xorb; whether it was not here before.

    ``size`` is what the client announced. Nothing refers to the xorb yet. The bytes are read to
    their end also when they are here: they prove what the sender has. Raises ``Invalid`` for bytes
    that are not this xorb, ``QuotaExceeded``, ``Unavailable``.
    """
    key = Key(Kind.XORB, name)
    await quota.require_disk(lfs, size or xorb.MAX_PLAIN)
    payer = await quota.payer(lfs, repo, user_id)
    async with lfs.store.read() as conn:
        await quota.require_room(lfs, conn, repo, size or 0, 0, payer=payer)
    checker = xorb.Checker()
    sink = await lfs.blobs.begin()
    try:
        async for piece in pieces:
            await sink.write(await asyncio.to_thread(checker.feed, piece))
        index = await asyncio.to_thread(checker.finish, name)
        await sink.write(await asyncio.to_thread(index.footer))
        async with lfs.locks.hold(key.path):
            is_new = await lfs.blobs.stat(key) is None
            if is_new:
                await sink.commit(key)
            await afail("xet.before_xorb_row")
            row = StoredXorb(name, index.size, index.count)
            await lfs.store.write(partial(xet.add_xorb, xorb=row, repo_id=repo.id, user_id=user_id))
    finally:
        await sink.discard()
    return is_new


class Usable:
    """Which chunks of which xorbs somebody may build files from."""

    def __init__(self, whole: Iterable[StoredXorb], parts: Sequence[xet.Span]) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for one in whole:
            self._spans[one.hash].append((0, one.chunks))
        for span in sorted(parts, key=lambda span: span.first):
            spans = self._spans[span.xorb]
            if spans and span.first <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(spans[-1][1], span.last)
            else:
                spans.append((span.first, span.last))

    def has(self, name: str, first: int, last: int) -> bool:
        """Whether the chunks [first, last) are among them."""
        return any(start <= first < last <= end for start, end in self._spans.get(name, ()))


async def usable(
    lfs: Lfs, actor: Actor, repo_id: int, names: Collection[str]
) -> tuple[dict[str, StoredXorb], Usable]:
    """Those of these xorbs that are stored, and what of them the actor may use here."""
    if len(names) > _MOST_XORBS:
        raise Invalid("A file refers to too many xorbs.")
    async with lfs.store.read() as conn:
        stored = await xet.xorbs(conn, names)
        sent: set[str] = set()
        if actor.user_id is not None:
            sent = await xet.uploaded(conn, repo_id, actor.user_id, names)
        rest = [name for name in stored if name not in sent]
        parts = await xet.readable(conn, access.fetchable(actor), rest)
    return stored, Usable([stored[name] for name in sent], parts)


def ref(stored: StoredXorb) -> XorbRef:
    """How the reader names it."""
    return XorbRef(stored.hash, stored.size, stored.chunks)


async def query_chunk(lfs: Lfs, actor: Actor, repo_id: int, chunk: str) -> bytes:
    """A shard for who may read an object with this chunk; raises ``NotFound``.

    It lists the xorb with the chunk and those that follow in the object: clients ask for one chunk
    in a thousand only. All hashes are hidden under a key of this answer's own, so that only who has
    a chunk can tell that it is listed; those of chunks that he may not use are made up.
    """
    async with lfs.store.read() as conn:
        for place in await xet.chunks(conn, chunk):
            oid = await xet.user_of(conn, access.fetchable(actor), place)
            if oid is not None:
                break
        else:
            raise NotFound("No such chunk.")
    xorbs = (await lfs.reader.chunk_list(oid)).xorbs
    names = [one.name for one in xorbs]
    at = names.index(place.xorb) if place.xorb in names else 0
    xorbs = xorbs[at : at + _ANSWER_XORBS]
    _, allowed = await usable(lfs, actor, repo_id, [one.name for one in xorbs])
    key = secrets.token_bytes(xethash.LENGTH)
    listed = []
    for one in xorbs:
        index = await lfs.reader.index(one)
        listed.append(await asyncio.to_thread(_hidden, one.name, index, allowed, key))
    now = int(time.time())
    return await asyncio.to_thread(shard.answer, listed, key, now, now + _ANSWER_SECONDS)


def _hidden(name: str, index: xorb.Index, allowed: Usable, key: bytes) -> shard.Xorb:
    chunks = []
    for place, length in enumerate(index.lengths(0, index.count)):
        may = allowed.has(name, place, place + 1)
        digest = index.hashes_of(place, place + 1) if may else secrets.token_bytes(32)
        hidden = xethash.keyed(digest, key)
        chunks.append(shard.Chunk(hidden, index.plain_start(place), length, 0))
    return shard.Xorb(xethash.from_text(name), chunks, index.plain_ends[-1], index.size)


@dataclass(frozen=True, slots=True)
class Fetch:
    """The chunks [first, end) of a xorb and the bytes [start, stop) that hold them."""

    first: int
    end: int
    start: int
    stop: int
    ticket: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Chunks of a xorb that are the next part of a file, ``length`` plain bytes."""

    xorb: str
    length: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to rebuild a range: skip ``offset`` bytes of the first piece; what to fetch by xorb."""

    offset: int
    pieces: list[Piece]
    fetches: Mapping[str, list[Fetch]]


@dataclass(frozen=True, slots=True)
class XorbBytes:
    """The chunks of a stored xorb: ``size`` bytes by ``read(start, end)``, or of a file."""

    size: int
    read: Callable[[int, int], AsyncIterator[bytes]]
    path: str | None


async def open_xorb(lfs: Lfs, ticket: XorbTicket) -> XorbBytes:
    """What a signed address leads to; the caller keeps to its bytes. Raises ``NotFound``."""
    key = Key(Kind.XORB, ticket.xorb)
    async with lfs.store.read() as conn:
        stored = (await xet.xorbs(conn, [ticket.xorb])).get(ticket.xorb)
    if stored is None:
        raise NotFound("These chunks are not stored here any more.")
    return XorbBytes(stored.size, partial(lfs.blobs.read, key), await lfs.blobs.local_path(key))


class BeyondEnd(Invalid):
    """A range that begins behind the file's last byte."""

    status = 416


async def reconstruct(
    lfs: Lfs, ticket: XetTicket, file_hash: str, start: int, end: int | None
) -> Plan:
    """How to rebuild the bytes [start, end) of a file of the ticket's repository.

    Raises ``NotFound``, or ``BeyondEnd``.
    """
    async with lfs.store.read() as conn:
        file = await xet.file_of_repo(conn, ticket.repo_id, file_hash)
    if file is None:
        raise NotFound("This repository has no such file.")
    chunks = await lfs.reader.chunk_list(file.oid)
    stop = chunks.size if end is None else min(end, chunks.size)
    if start >= stop:
        raise BeyondEnd(f"The file has {chunks.size} bytes.")
    terms = _between(chunks, start, stop)
    indexes = {term.xorb: await lfs.reader.index(term.xorb) for term in terms}
    pieces: list[Piece] = []
    offset = 0
    for term in terms:
        index = indexes[term.xorb]
        first, last, skip = term.narrowed(index, start, stop)
        if not pieces:
            offset = skip
        length = index.plain_length(first, last)
        pieces.append(Piece(term.xorb.name, length, first, last))
    sign = partial(_fetches, lfs, ticket, {one.name: index for one, index in indexes.items()})
    return Plan(offset, pieces, await asyncio.to_thread(sign, pieces))


def _between(chunks: ChunkList, start: int, stop: int) -> list[Term]:
    terms = []
    for number in range(chunks.find(start), chunks.count):
        term = chunks.term(number)
        if term.start >= stop:
            break
        terms.append(term)
    return terms


def _fetches(
    lfs: Lfs, ticket: XetTicket, indexes: Mapping[str, xorb.Index], pieces: Sequence[Piece]
) -> dict[str, list[Fetch]]:
    """What to fetch of each xorb; pieces that touch or overlap are fetched once."""
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for piece in sorted(pieces, key=lambda piece: piece.first):
        of_xorb = spans[piece.xorb]
        if of_xorb and piece.first <= of_xorb[-1][1]:
            of_xorb[-1] = of_xorb[-1][0], max(of_xorb[-1][1], piece.end)
        else:
            of_xorb.append((piece.first, piece.end))
    expires_at = time.time() + _URL_SECONDS

    def fetch(name: str, first: int, end: int) -> Fetch:
        start, stop = indexes[name].span(first, end)
        right = XorbTicket(
            repo_id=ticket.repo_id,
            user_id=ticket.user_id,
            expires_at=expires_at,
            xorb=name,
            start=start,
            end=stop,
        )
        return Fetch(first, end, start, stop, lfs.signer.sign(right))

    return {name: [fetch(name, *span) for span in found] for name, found in spans.items()}


async def hash_of(lfs: Lfs, oid: str) -> str | None:
    """As ``hashes``, for one object that is asked for often."""
    found = await lfs.store.remembered(xet.files, (oid,))
    return found[oid].hash if oid in found else None


async def hashes(lfs: Lfs, oids: Collection[str]) -> dict[str, str]:
    """What Xet clients call those of these objects that are held as chunks, by SHA-256."""
    async with lfs.store.read() as conn:
        return {oid: file.hash for oid, file in (await xet.files(conn, oids)).items()}
