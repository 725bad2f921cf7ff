"""Registers the files of a Xet shard: everything the sender says is verified, then it counts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice

from hubd.blobs import shard, xethash, xorb
from hubd.blobs.base import PIECE, Key, Kind
from hubd.blobs.chunked import ChunkList, ListBuilder
from hubd.errors import Invalid
from hubd.lfs import quota
from hubd.lfs.context import Lfs
from hubd.lfs.xet import ref, usable
from hubd.obs.failpoints import afail
from hubd.store import objects, xet
from hubd.store.engine import Connection
from hubd.store.repos import Repo
from hubd.types import Actor

MAX_SHARD = shard.MAX_SIZE
# Recorded in one transaction.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Verified:
    """A file that is what it says."""

    held: xet.Held
    chunks: ChunkList

    @property
    def oid(self) -> str:
        """Its SHA-256."""
        return self.held.file.oid


async def register(
    lfs: Lfs, actor: Actor, repo: Repo, data: bytearray, told: Callable[[int, int], None]
) -> bool:
    """Make the files of a shard objects of the repository; whether any was not before.

    The caller has decided that the actor may. ``told`` hears how many files of how many are
    verified. Nothing is trusted: not the xorb section, which is not even read, nor any hash.
    Raises ``Invalid``, ``QuotaExceeded``, ``Unavailable``; files recorded before stay.
    """
    made = await asyncio.to_thread(shard.Shard, data)
    total = await asyncio.to_thread(lambda: sum(1 for _ in made.files()))
    files = made.files()
    payer = await quota.payer(lfs, repo, actor.user_id)
    done = 0
    is_new = False
    while batch := list(islice(files, _BATCH)):
        verified: dict[str, _Verified] = {}
        for file in batch:
            # An empty file has no chunks; clients commit it as an ordinary one.
            if file.count:
                found = await _verify(lfs, actor, repo, file, payer)
                verified[found.oid] = found
            done += 1
            told(done, total)
        is_new |= await _record(lfs, actor, repo, verified, payer)
    return is_new


async def _verify(
    lfs: Lfs, actor: Actor, repo: Repo, file: shard.File, payer: int | None
) -> _Verified:
    if file.sha256 is None:
        raise Invalid("A file of the shard has no SHA-256.")
    walk = _Walk(file)
    names = await asyncio.to_thread(walk.names)
    stored, allowed = await usable(lfs, actor, repo.id, names)
    hashes = file.range_hashes()
    for term in file.terms():
        name = xethash.to_text(term.xorb)
        if name not in stored or not allowed.has(name, term.first, term.end):
            await _refuse_unknown(lfs, repo)
        index = await lfs.reader.index(ref(stored[name]))
        await asyncio.to_thread(walk.add, name, index, term, next(hashes, b""))
    verified = await asyncio.to_thread(walk.finish)
    async with lfs.store.read() as conn:
        known = (await xet.files(conn, [file.sha256])).get(file.sha256)
        if not await objects.links(conn, repo.id, [file.sha256]):
            # Before the long work: a few chunks, repeated, may be a file of any size.
            await quota.require_room(lfs, conn, repo, verified.chunks.size, payer=payer)
    if known != verified.held.file:
        await _require_sha256(lfs, verified.chunks, file.sha256)
    return verified


async def _refuse_unknown(lfs: Lfs, repo: Repo) -> None:
    """What the client remembers is gone, or never was his: he has to forget it, then send it."""
    await lfs.store.write(partial(xet.next_epoch, repo_ids=[repo.id]))
    raise Invalid("The shard refers to chunks that were not sent.", hint="Upload the file again.")


async def _require_sha256(lfs: Lfs, chunks: ChunkList, expected: str) -> None:
    """Rebuild the file: only its bytes prove what the commit will call it."""
    hasher = hashlib.sha256()
    async for piece in lfs.reader.read_list(chunks, 0, chunks.size):
        await asyncio.to_thread(hasher.update, piece)
    if hasher.hexdigest() != expected:
        raise Invalid("A file of the shard does not have the SHA-256 that the shard says.")


class _Walk:
    """Goes through the terms of a file; blocking work, for a thread."""

    def __init__(self, file: shard.File) -> None:
        self._file = file
        self._tree = xethash.TreeHasher()
        self._list = ListBuilder()
        self._spans: dict[str, tuple[int, int]] = {}
        self._offered: dict[tuple[str, str], int] = {}

    def names(self) -> Collection[str]:
        """The xorbs of all terms."""
        return {xethash.to_text(xorb) for xorb in {term.xorb for term in self._file.terms()}}

    def add(self, name: str, index: xorb.Index, term: shard.Term, range_hash: bytes) -> None:
        """Check the next term against what is stored; its bounds are known to be right."""
        if index.plain_length(term.first, term.end) != term.length:
            raise Invalid("A term of the shard has another length than its chunks.")
        hashes = index.hashes_of(term.first, term.end)
        # The sender shows that he knows the chunks, not only where they lie.
        if xethash.range_hash(hashes) != range_hash:
            raise Invalid("A term of the shard does not have the hash of its chunks.")
        self._tree.update(hashes, index.lengths(term.first, term.end))
        is_first = not self._list.size
        for place in range(term.first, term.end):
            digest = index.hashes_of(place, place + 1)
            if xethash.is_dedup_eligible(digest) or (is_first and place == term.first):
                self._offered.setdefault((xethash.to_text(digest), name), place)
        self._list.add(name, index, term.first, term.end)
        first, end = self._spans.get(name, (term.first, term.end))
        self._spans[name] = min(first, term.first), max(end, term.end)

    def finish(self) -> _Verified:
        """What was found, if it is the file that the shard names."""
        if xethash.file_hash(self._tree.root()) != self._file.hash:
            raise Invalid("A file of the shard does not have the hash of its chunks.")
        assert self._file.sha256 is not None, "looked at first"  # noqa: S101
        held = xet.Held(
            xet.File(self._file.sha256, xethash.to_text(self._file.hash)),
            [xet.Span(name, first, end) for name, (first, end) in self._spans.items()],
            [xet.Chunk(digest, name, place) for (digest, name), place in self._offered.items()],
        )
        return _Verified(held, ChunkList(self._list.build(self._file.hash)))


async def _record(
    lfs: Lfs, actor: Actor, repo: Repo, verified: dict[str, _Verified], payer: int | None
) -> bool:
    """Store the lists, then write all rows at once; whether the repository lacked any object."""
    if not verified:
        return False
    async with AsyncExitStack() as stack:
        # In order, so that two shards with the same files never wait for each other.
        for oid in sorted(verified):
            await stack.enter_async_context(lfs.locks.hold(oid))
        async with lfs.store.read() as conn:
            known = await xet.files(conn, verified)
        for oid, found in verified.items():
            if oid not in known:
                await _store_list(lfs, oid, found.chunks)
        await afail("xet.before_file_row")
        await stack.enter_async_context(quota.one_at_a_time(lfs, repo, payer))
        many = list(verified.values())
        return await lfs.store.write(
            partial(_write, lfs=lfs, actor=actor, repo=repo, verified=many, payer=payer)
        )


async def _store_list(lfs: Lfs, oid: str, chunks: ChunkList) -> None:
    key = Key(Kind.LIST, oid)
    # One without a row is what a killed daemon left, and may name xorbs that have gone since.
    await lfs.blobs.delete(key)
    lfs.reader.forget(oid)
    sink = await lfs.blobs.begin(len(chunks.data))
    try:
        for at in range(0, len(chunks.data), PIECE):
            await sink.write(chunks.data[at : at + PIECE])
        await sink.commit(key)
    finally:
        await sink.discard()


async def _write(
    conn: Connection,
    *,
    lfs: Lfs,
    actor: Actor,
    repo: Repo,
    verified: Sequence[_Verified],
    payer: int | None,
) -> bool:
    sizes = {found.oid: found.chunks.size for found in verified}
    linked = await objects.links(conn, repo.id, sizes)
    new = [size for oid, size in sizes.items() if oid not in linked]
    if new:
        await quota.require_room(lfs, conn, repo, sum(new), len(new), payer=payer)
    for oid, size in sizes.items():
        await objects.add(conn, oid, size)
    await xet.add_files(conn, [found.held for found in verified])
    await objects.link(conn, repo.id, sizes, actor.user_id, payer)
    return bool(new)
