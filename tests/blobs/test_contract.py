"""What every back end does alike."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd.blobs.base import PIECE, Blobs, Key, Kind
from hubd.blobs.encrypted import EncryptedBlobs
from hubd.blobs.local import LocalBlobs
from hubd.blobs.s3 import S3Blobs
from hubd.errors import Invalid, NotFound
from tests.blobskit import all_of, in_pieces, key_of
from tests.s3servers import apart

PLACES = ("local", "encrypted", "swift", "juicefs")


@pytest.fixture(params=PLACES)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    place: Blobs
    if request.param == "local":
        place = LocalBlobs(tmp_path / "blobs")
    elif request.param == "encrypted":
        place = EncryptedBlobs(tmp_path / "blobs", os.urandom(32))
    else:
        place = S3Blobs(apart(request.getfixturevalue(request.param)))
    await place.start()
    yield place
    await place.close()


async def _store(blobs: Blobs, data: bytes) -> Key:
    sink = await blobs.begin()
    for at in range(0, len(data), 70_000):
        await sink.write(data[at : at + 70_000])
    assert await sink.sha256() == hashlib.sha256(data).hexdigest()
    assert sink.size == len(data)
    await sink.commit(key_of(data))
    return key_of(data)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 12 * PIECE + 17])
async def test_what_goes_in_comes_out(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)
    key = await _store(blobs, data)
    found = await blobs.stat(key)
    assert found is not None
    assert found.size == size
    assert await all_of(blobs.read(key)) == data
    for start, end in ((0, size), (size // 3, size // 2), (size // 2, None), (size, None)):
        assert await all_of(blobs.read(key, start, end)) == data[start:end]


async def test_nothing_is_seen_before_commit_nor_after_discard(blobs: Blobs) -> None:
    data = os.urandom(1000)
    sink = await blobs.begin()
    await sink.write(data)
    assert await blobs.stat(key_of(data)) is None
    await sink.discard()
    await sink.discard()
    assert await blobs.stat(key_of(data)) is None
    with pytest.raises(NotFound):
        await all_of(blobs.read(key_of(data)))


async def test_the_same_bytes_twice_are_one_blob(blobs: Blobs) -> None:
    data = os.urandom(1000)
    first = await _store(blobs, data)
    assert await _store(blobs, data) == first
    assert [stored.key async for stored in blobs.walk(Kind.OBJECT)] == [first]
    await blobs.delete(first)
    await blobs.delete(first)
    assert await blobs.stat(first) is None


async def test_parts_come_in_any_order_and_again(blobs: Blobs) -> None:
    size = 5 * PIECE
    data = os.urandom(2 * size + 100)
    handle = await blobs.begin_parts(len(data))
    await blobs.write_part(handle, 1, 0, in_pieces(bytes(size)), size)
    third = await blobs.write_part(handle, 3, 2 * size, in_pieces(data[2 * size :]), 100)
    second = await blobs.write_part(handle, 2, size, in_pieces(data[size : 2 * size]), size)
    first = await blobs.write_part(handle, 1, 0, in_pieces(data[:size]), size)
    assert await blobs.stat(key_of(data)) is None
    assert all(part.etag.isalnum() for part in (first, second, third))
    # Again, as a caller does who did not hear of the end.
    for _ in range(2):
        await blobs.commit_parts(handle, key_of(data), len(data), [first, second, third])
        assert await all_of(blobs.read(key_of(data))) == data
    await blobs.discard_parts(handle)
    with pytest.raises(NotFound):
        await blobs.commit_parts(handle, key_of(data), len(data), [first, second, third])
    assert await all_of(blobs.read(key_of(data))) == data


async def test_wrong_bytes_in_parts_never_get_the_name(blobs: Blobs) -> None:
    data = os.urandom(1000)
    handle = await blobs.begin_parts(1000)
    part = await blobs.write_part(handle, 1, 0, in_pieces(bytes(1000)), 1000)
    with pytest.raises(Invalid):
        await blobs.commit_parts(handle, key_of(data), 1000, [part])
    assert await blobs.stat(key_of(data)) is None


@pytest.mark.parametrize("size", [999, 1001])
async def test_a_part_has_the_size_it_announced(blobs: Blobs, size: int) -> None:
    handle = await blobs.begin_parts(1000)
    with pytest.raises(Invalid):
        await blobs.write_part(handle, 1, 0, in_pieces(bytes(size)), 1000)
    await blobs.discard_parts(handle)
    await blobs.discard_parts(handle)


@pytest.mark.parametrize("name", ["", "ab", "../" * 21 + "a", "A" * 64, "g" * 64, "a" * 40])
def test_a_name_is_a_hash(name: str) -> None:
    with pytest.raises(Invalid):
        Key(Kind.OBJECT, name)
