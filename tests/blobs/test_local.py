"""The local back end alone; what every back end must do is in test_contract.py."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd.blobs.base import Key
from hubd.blobs.local import LocalBlobs


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
