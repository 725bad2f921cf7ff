"""Envelopes: nothing to read without the key, and nothing but what was written with it."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hubd.blobs.base import PIECE, Damaged, Kind
from hubd.blobs.encrypted import EncryptedBlobs
from hubd.blobs.envelope import HEADER, RECORD, read_key
from hubd.errors import Invalid, Unavailable
from tests.blobskit import all_of, in_pieces, into, key_of, store

SEALED = RECORD + 16
SIZE = 3 * RECORD + 1000


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[EncryptedBlobs]:
    place = EncryptedBlobs(tmp_path, os.urandom(32))
    await place.start()
    yield place
    await place.close()


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, RECORD, RECORD + 1, PIECE + RECORD, SIZE])
async def test_any_range_can_be_read(blobs: EncryptedBlobs, size: int) -> None:
    data = os.urandom(size)
    key = await store(blobs, data)
    found = await blobs.stat(key)
    assert found is not None
    assert found.size == size
    assert [stored.stat.size async for stored in blobs.walk(Kind.OBJECT)] == [size]
    choose = random.Random(size)
    edges = [0, 1, RECORD - 1, RECORD, RECORD + 1, 2 * RECORD, size, size + 10]
    for _ in range(60):
        start, end = sorted(choose.choice([*edges, choose.randint(0, size)]) for _ in range(2))
        assert await all_of(blobs.read(key, start, end)) == data[start:end]


async def test_the_disk_shows_nothing_and_no_two_files_are_alike(
    blobs: EncryptedBlobs, tmp_path: Path
) -> None:
    data = b"a secret sentence " * 10_000
    sink = await blobs.begin()
    await sink.write(data)
    handle = await blobs.begin_parts(2 * len(data))
    for number in (1, 2):
        await blobs.write_part(handle, number, 0, in_pieces(data), len(data))
    await store(blobs, data)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all(b"secret" not in file for file in files)
    ends = {file[HEADER : HEADER + 1000] for file in files}
    assert len(ends) == 4
    await sink.discard()


async def test_a_part_sent_again_is_encrypted_by_another_key(
    blobs: EncryptedBlobs, tmp_path: Path
) -> None:
    """One nonce with two texts would give both away: the files may have nothing in common."""
    handle = await blobs.begin_parts(SIZE)
    path = tmp_path / "parts" / handle / "1"
    seen = set()
    for data in (bytes(SIZE), bytes(SIZE), b"\1" * SIZE):
        await blobs.write_part(handle, 1, 0, in_pieces(data), SIZE)
        seen.add(path.read_bytes()[8:40])
    assert len(seen) == 3
    with pytest.raises(Invalid):
        await blobs.write_part(handle, 1, 0, in_pieces(b"short"), SIZE)
    assert [found.name for found in path.parent.iterdir()] == ["1"]


def _flip(at: int) -> Callable[[bytearray], None]:
    def change(file: bytearray) -> None:
        file[at] ^= 1

    return change


def _swap_records(file: bytearray) -> None:
    first, second = HEADER, HEADER + SEALED
    file[first:second], file[second : second + SEALED] = (
        file[second : second + SEALED],
        file[first:second],
    )


def _cut(count: int) -> Callable[[bytearray], None]:
    def change(file: bytearray) -> None:
        del file[-count:]

    return change


def _shorten_and_say_so(file: bytearray) -> None:
    del file[HEADER + 2 * SEALED :]
    file[40:48] = (2 * RECORD).to_bytes(8, "big")


CHANGES: dict[str, Callable[[bytearray], None]] = {
    "magic": _flip(0),
    "salt": _flip(8),
    "size": _flip(47),
    "seal": _flip(48),
    "first record": _flip(HEADER),
    "a tag": _flip(HEADER + SEALED - 1),
    "last byte": _flip(-1),
    "two records": _swap_records,
    "cut a byte": _cut(1),
    "cut a record": _cut(1000 + 16),
    "cut all but two": _shorten_and_say_so,
    "cut into the header": _cut(HEADER + 3 * SEALED + 1016 - 20),
    "empty": lambda file: file.clear(),
    "longer": lambda file: file.extend(b"x"),
    "a record longer": lambda file: file.extend(os.urandom(SEALED)),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_file_is_damaged_and_said_to_be(
    blobs: EncryptedBlobs, tmp_path: Path, change: str
) -> None:
    data = os.urandom(SIZE)
    key = await store(blobs, data)
    file = bytearray((tmp_path / key.path).read_bytes())
    CHANGES[change](file)
    (tmp_path / key.path).write_bytes(file)
    got = bytearray()
    with capture_logs() as logs, pytest.raises(Unavailable):
        await into(got, blobs.read(key))
    assert got == b""
    assert [(line["event"], line["blob"]) for line in logs] == [("blobs.damaged", key.path)]


async def test_a_file_cannot_stand_in_for_another(blobs: EncryptedBlobs, tmp_path: Path) -> None:
    first, second = [await store(blobs, os.urandom(SIZE)) for _ in range(2)]
    plain = await store(blobs, b"plain")
    (tmp_path / first.path).write_bytes((tmp_path / second.path).read_bytes())
    (tmp_path / plain.path).write_bytes(b"plain")
    for key in (first, plain):
        with pytest.raises(Damaged):
            await all_of(blobs.read(key, 10, 20))
    handle = await blobs.begin_parts(20)
    parts = [
        await blobs.write_part(handle, number, 0, in_pieces(bytes([number]) * 10), 10)
        for number in (1, 2)
    ]
    folder = tmp_path / "parts" / handle
    (folder / "1").rename(folder / "x")
    (folder / "2").rename(folder / "1")
    (folder / "x").rename(folder / "2")
    swapped = b"\2" * 10 + b"\1" * 10
    with pytest.raises(Damaged):
        await blobs.commit_parts(handle, key_of(swapped), 20, parts)
    assert await blobs.stat(key_of(swapped)) is None


async def test_another_key_reads_nothing(blobs: EncryptedBlobs, tmp_path: Path) -> None:
    key = await store(blobs, b"some bytes")
    other = EncryptedBlobs(tmp_path, os.urandom(32))
    with pytest.raises(Damaged):
        await all_of(other.read(key))
    await other.close()


async def test_parts_survive_a_restart_and_are_swept_when_abandoned(
    blobs: EncryptedBlobs, tmp_path: Path
) -> None:
    data = os.urandom(SIZE)
    handle, left = [await blobs.begin_parts(SIZE) for _ in range(2)]
    cut = 100_001
    parts = [
        await blobs.write_part(handle, 2, cut, in_pieces(data[cut:]), SIZE - cut),
        await blobs.write_part(handle, 1, 0, in_pieces(data[:cut]), cut),
    ]
    again = EncryptedBlobs(tmp_path, blobs._key)
    await again.start()
    os.utime(tmp_path / "parts" / left, (1000, 1000))
    assert await again.sweep(2000, frozenset()) == 1
    await again.commit_parts(handle, key_of(data), SIZE, parts)
    await again.discard_parts(handle)
    assert await all_of(again.read(key_of(data))) == data
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        tmp_path / key_of(data).path
    ]
    assert await again.local_path(key_of(data)) is None
    await again.close()


@pytest.mark.parametrize("text", ["", "abc", "ab" * 31, "zz" * 32, "ü" * 64, "ab" * 33])
def test_a_key_is_64_hex_digits(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    with pytest.raises(Invalid, match="cannot be read"):
        read_key(path)
    path.write_text("ab" * 32 + "\n")
    assert read_key(path) == b"\xab" * 32
    path.write_text(text)
    with pytest.raises(Invalid, match="key file"):
        read_key(path)
