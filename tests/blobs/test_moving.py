"""Two places as one: what is new is in the target, what is old is found, what goes is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd.blobs import place
from hubd.blobs.base import Blobs, Key, Kind
from hubd.blobs.local import LocalBlobs
from hubd.blobs.migrate import migrate
from hubd.blobs.moving import MovingBlobs
from hubd.blobs.place import Place
from hubd.blobs.s3 import S3Blobs
from hubd.blobs.s3_client import S3Settings
from hubd.config import Config, load
from hubd.errors import Conflict, NotFound
from tests.blobskit import all_of, key_of, store


@pytest.fixture
async def moving(tmp_path: Path, server: S3Settings) -> AsyncIterator[MovingBlobs]:
    blobs = MovingBlobs(S3Blobs(server), LocalBlobs(tmp_path / "local"))
    await blobs.start()
    yield blobs
    await blobs.close()


def _source(moving: MovingBlobs) -> Blobs:
    assert moving.source is not None
    return moving.source


async def _keys(blobs: Blobs) -> list[Key]:
    return [stored.key async for stored in blobs.walk(Kind.OBJECT)]


async def test_old_and_new_are_read_and_the_move_ends(moving: MovingBlobs) -> None:
    old = await store(_source(moving), b"old bytes")
    new = await store(moving, b"new bytes")
    assert await moving.target.stat(new)
    assert await moving.target.stat(old) is None
    assert await all_of(moving.read(old, 4)) == b"bytes"
    assert await all_of(moving.read(new, 0, 3)) == b"new"
    assert await moving.local_path(old)
    assert moving.direct is None
    with pytest.raises(NotFound):
        await all_of(moving.read(key_of(b"never")))
    assert Counter(await _keys(moving)) == Counter([old, new])
    reading = moving.read(old)
    assert (await migrate(_source(moving), moving.target)).blobs == 1
    assert Counter(await _keys(moving)) == Counter([old, new])
    moving.finish()
    assert moving.direct is moving.target.direct
    assert [await all_of(moving.read(key)) for key in (old, new)] == [b"old bytes", b"new bytes"]
    assert await all_of(reading) == b"old bytes"


async def test_what_goes_is_gone_from_both(moving: MovingBlobs) -> None:
    old = await store(_source(moving), b"old bytes")
    await migrate(_source(moving), moving.target)
    await moving.delete(old)
    assert await moving.stat(old) is None
    await migrate(_source(moving), moving.target)
    assert await moving.stat(old) is None


def _config(folder: Path, **values: object) -> Config:
    return load(None, {}, {"data_dir": str(folder), "s3_bucket": "models", **values})


def test_settings_that_lose_sight_of_files_are_refused(tmp_path: Path) -> None:
    local, s3 = _config(tmp_path), _config(tmp_path, blob_store="s3")
    assert place.settle(local) == (Place("local"), False)
    place.write(local, Place("local"))
    assert place.settle(s3) == (Place("s3:models/", "local"), True)
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    with pytest.raises(Conflict, match="in local, and the settings name local, encrypted"):
        place.settle(_config(tmp_path, blob_key_file=str(key)))
    place.write(s3, Place("s3:models/", "local"))
    assert place.settle(s3) == (Place("s3:models/", "local"), False)
    with pytest.raises(Conflict, match="on their way from local to s3:models/"):
        place.settle(local)
    with pytest.raises(Conflict, match="still in local"):
        place.settle(_config(tmp_path, blob_store="s3", blob_key_file=str(key)))
    place.write(s3, Place("s3:models/"))
    with pytest.raises(Conflict, match="in s3:models/, and the settings name s3:others/"):
        place.settle(_config(tmp_path, blob_store="s3", s3_bucket="others"))
    with pytest.raises(Conflict, match="still in s3:models/"):
        place.settle(_config(tmp_path, s3_bucket="others"))
    assert place.settle(local) == (Place("local", "s3:models/"), True)
