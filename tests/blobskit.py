"""What tests of blobs have in common."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from hubd.blobs.base import Blobs, Key


def key_of(data: bytes) -> Key:
    return Key.object(hashlib.sha256(data).hexdigest())


async def all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def into(got: bytearray, pieces: AsyncIterator[bytes]) -> None:
    """Keep what came before an error."""
    async for piece in pieces:
        got += piece


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


async def store(blobs: Blobs, data: bytes, key: Key | None = None) -> Key:
    """Write in uneven pieces and commit; the key."""
    sink = await blobs.begin(len(data))
    try:
        async for piece in in_pieces(data):
            await sink.write(piece)
        await sink.commit(key or key_of(data))
    finally:
        await sink.discard()
    return key or key_of(data)
