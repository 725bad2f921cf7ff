"""The local back end alone; what every back end must do is in test_contract.py."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd.blobs.base import Key, Part
from hubd.blobs.local import LocalBlobs
from hubd.errors import Conflict, NotFound


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[LocalBlobs]:
    place = LocalBlobs(tmp_path / "blobs")
    await place.start()
    yield place
    await place.close()


async def test_what_an_earlier_daemon_left_half_written_goes_at_start(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    sink = await blobs.begin()
    await sink.write(b"half")
    handle = await blobs.begin_parts(10)
    again = LocalBlobs(tmp_path / "blobs")
    await again.start()
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []
    assert [path.name for path in (tmp_path / "blobs" / "parts").iterdir()] == [handle]
    await again.close()


async def test_abandoned_parts_are_swept_but_not_those_in_use(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    old, used, young = [await blobs.begin_parts(10) for _ in range(3)]
    for handle in (old, used):
        os.utime(tmp_path / "blobs" / "parts" / handle, (1000, 1000))
    assert await blobs.sweep(2000, frozenset({used})) == 1
    left = {path.name for path in (tmp_path / "blobs" / "parts").iterdir()}
    assert left == {used, young}


async def test_a_blob_is_a_file_that_can_be_sent_as_it_is(blobs: LocalBlobs) -> None:
    data = os.urandom(1000)
    key = Key.object(hashlib.sha256(data).hexdigest())
    assert await blobs.local_path(key) is None
    sink = await blobs.begin()
    await sink.write(data)
    await sink.commit(key)
    path = await blobs.local_path(key)
    assert path is not None
    assert Path(path).read_bytes() == data


async def _in_parts(blobs: LocalBlobs, data: bytes) -> tuple[str, Part, Key]:
    """An upload of one part that has arrived."""
    handle = await blobs.begin_parts(len(data))
    part = await blobs.write_part(handle, 1, 0, _pieces(data), len(data))
    return handle, part, Key.object(hashlib.sha256(data).hexdigest())


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_who_did_not_hear_of_the_end_may_ask_again(blobs: LocalBlobs, tmp_path: Path) -> None:
    data = os.urandom(1000)
    handle, part, key = await _in_parts(blobs, data)
    for _ in range(2):
        await blobs.commit_parts(handle, key, 1000, [part])
    assert (tmp_path / "blobs" / key.path).read_bytes() == data
    await blobs.delete(key)
    with pytest.raises(NotFound):
        await blobs.commit_parts(handle, key, 1000, [part])
    await blobs.discard_parts(handle)
    assert list((tmp_path / "blobs" / "parts").iterdir()) == []


async def test_a_writer_that_lingers_cannot_change_what_was_judged(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    data = os.urandom(1000)
    handle, part, key = await _in_parts(blobs, data)
    has_begun, goes_on = asyncio.Event(), asyncio.Event()

    async def late() -> AsyncIterator[bytes]:
        yield data[:500]
        has_begun.set()
        await goes_on.wait()
        yield bytes(500)

    writing = asyncio.create_task(blobs.write_part(handle, 1, 0, late(), 1000))
    await has_begun.wait()
    await blobs.commit_parts(handle, key, 1000, [part])
    goes_on.set()
    with pytest.raises(Conflict):
        await writing
    assert (tmp_path / "blobs" / key.path).read_bytes() == data
