"""Copies of a whole place are verified and resumable."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubd.blobs.base import PIECE, Blobs, Key, Kind
from hubd.blobs.chunked import ListBuilder
from hubd.blobs.encrypted import EncryptedBlobs
from hubd.blobs.local import LocalBlobs
from hubd.blobs.migrate import Copied, migrate
from hubd.blobs.s3 import S3Blobs
from hubd.blobs.xorb import Checker
from tests.blobskit import all_of, store
from tests.caskit import Packed
from tests.s3servers import apart


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalBlobs]:
    place = LocalBlobs(tmp_path / "local")
    await place.start()
    yield place
    await place.close()


@pytest.fixture(params=["encrypted", "juicefs"])
async def other(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    place: Blobs
    if request.param == "encrypted":
        place = EncryptedBlobs(tmp_path / "encrypted", os.urandom(32))
    else:
        place = S3Blobs(apart(request.getfixturevalue(request.param)))
    await place.start()
    yield place
    await place.close()


async def _fill(blobs: Blobs) -> dict[Key, bytes]:
    texts = [os.urandom(size) for size in (0, 1, 1000, PIECE, 11 * PIECE)]
    kept = {await store(blobs, data): data for data in texts}
    return kept | await _chunked(blobs)


async def _chunked(blobs: Blobs) -> dict[Key, bytes]:
    """A file as chunks: a xorb with its footer, and a list."""
    packed = Packed.of(os.urandom(1000), os.urandom(2000))
    checker = Checker()
    sound = checker.feed(packed.data)
    index = checker.finish(packed.name)
    builder = ListBuilder()
    builder.add(packed.name, index, 0, 2)
    xorb, listed = Key(Kind.XORB, packed.name), Key(Kind.LIST, "ab" * 32)
    kept = {xorb: sound + index.footer(), listed: builder.build(bytes(32))}
    for key, data in kept.items():
        await store(blobs, data, key)
    return kept


async def test_everything_arrives_and_comes_back(
    local: LocalBlobs, other: Blobs, tmp_path: Path
) -> None:
    kept = await _fill(local)
    heard: list[int] = []
    done = await migrate(local, other, lambda copied: heard.append(copied.blobs))
    assert (done.blobs, done.size, done.there) == (len(kept), sum(map(len, kept.values())), 0)
    assert (len(heard), heard[-1]) == (len(kept), len(kept))
    for key, data in kept.items():
        assert await all_of(other.read(key)) == data
    again = await migrate(local, other)
    assert (again.blobs, again.there, again.damaged) == (0, len(kept), [])
    back = LocalBlobs(tmp_path / "back")
    await back.start()
    await migrate(other, back)
    assert {key: await all_of(back.read(key)) for key in kept} == kept
    await back.close()


async def test_a_copy_that_was_cut_short_goes_on(local: LocalBlobs, other: Blobs) -> None:
    kept = await _fill(local)

    class _PulledError(Exception):
        pass

    def pull_the_plug(copied: Copied) -> None:
        if copied.blobs == 2:
            raise _PulledError

    with pytest.raises(_PulledError):
        await migrate(local, other, pull_the_plug, at_once=1)
    new = await store(local, b"came meanwhile")
    done = await migrate(local, other)
    assert (done.there, done.blobs) == (2, len(kept) - 1)
    assert await all_of(other.read(new)) == b"came meanwhile"


async def test_what_is_damaged_is_named_and_not_copied(
    local: LocalBlobs, other: Blobs, tmp_path: Path
) -> None:
    good, bad = await store(local, b"good"), await store(local, b"bad bytes")
    damaged = {bad: b"BAD bytes"}
    for key, data in (await _chunked(local)).items():
        damaged[key] = data[:40] + b"!!" + data[42:] if key.kind is Kind.XORB else data[:-1]
    for key, data in damaged.items():
        (tmp_path / "local" / key.path).write_bytes(data)
    done = await migrate(local, other)
    assert set(done.damaged) == set(damaged)
    for key in damaged:
        assert await other.stat(key) is None
    assert await all_of(other.read(good)) == b"good"


async def test_what_goes_from_the_source_meanwhile_does_not_arrive(
    local: LocalBlobs, other: Blobs
) -> None:
    key = await store(local, b"going")

    @asynccontextmanager
    async def alone(which: Key) -> AsyncIterator[None]:
        await local.delete(which)
        yield

    done = await migrate(local, other, alone=alone)
    assert (done.blobs, done.damaged) == (0, [])
    assert await other.stat(key) is None
