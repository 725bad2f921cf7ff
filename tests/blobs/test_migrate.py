"""Copies of a whole place are verified and resumable; verifying names what is wrong."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd.blobs.base import PIECE, Blobs, Key, Kind
from hubd.blobs.encrypted import EncryptedBlobs
from hubd.blobs.local import LocalBlobs
from hubd.blobs.migrate import Copied, migrate
from hubd.blobs.s3 import S3Blobs
from hubd.blobs.verify import Verified, verify
from hubd.errors import Unavailable
from tests.blobskit import all_of, store
from tests.s3servers import apart

XORB = Key(Kind.XORB, "ab" * 32)


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
    return {**kept, await store(blobs, b"chunks", XORB): b"chunks"}


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
    (tmp_path / "local" / bad.path).write_bytes(b"BAD bytes")
    done = await migrate(local, other)
    assert done.damaged == [bad]
    assert await other.stat(bad) is None
    assert await all_of(other.read(good)) == b"good"


async def test_verifying_names_what_is_damaged_and_what_is_missing(
    local: LocalBlobs, tmp_path: Path
) -> None:
    good, bad, short = [await store(local, os.urandom(PIECE + n)) for n in range(3)]
    path = tmp_path / "local" / bad.path
    path.write_bytes(bytes(path.stat().st_size))
    missing = Key.object("0" * 64)

    async def expected() -> AsyncIterator[tuple[Key, int]]:
        for key, size in ((good, PIECE), (bad, PIECE + 1), (short, 5), (missing, 1)):
            yield key, size

    heard: list[Verified] = []
    found = await verify(local, expected(), heard.append)
    assert found.objects == 3
    assert found.size == 3 * PIECE + 3
    assert set(found.damaged) == {bad, short}
    assert found.missing == [missing]
    assert len(heard) == 4


async def test_verifying_reads_envelopes_to_their_end(tmp_path: Path) -> None:
    blobs = EncryptedBlobs(tmp_path, os.urandom(32))
    await blobs.start()
    good, bad = [await store(blobs, os.urandom(3 * PIECE)) for _ in range(2)]
    file = bytearray((tmp_path / bad.path).read_bytes())
    file[-1] ^= 1
    (tmp_path / bad.path).write_bytes(file)
    found = await verify(blobs)
    assert (found.objects, found.damaged) == (1, [bad])
    assert await blobs.stat(good) is not None
    await blobs.close()


async def test_a_place_that_does_not_answer_is_not_called_damaged(
    local: LocalBlobs, tmp_path: Path
) -> None:
    await store(local, b"bytes")
    (tmp_path / "local" / "objects").rename(tmp_path / "gone")
    (tmp_path / "local" / "objects").write_text("not a folder")
    with pytest.raises(Unavailable):
        await verify(local)
