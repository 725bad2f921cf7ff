"""Objects held as chunks read like whole ones."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.blobs import chunker, xethash
from hubd.blobs.base import PIECE, Key, Kind
from hubd.blobs.chunked import ChunkList, ListBuilder, Reader
from hubd.blobs.local import LocalBlobs
from hubd.errors import Invalid, NotFound, Unavailable
from tests.xetkit import Oracle, check, floats, noise, put, put_all, sha256

BASE = noise(2_500_000)
CONTENTS = (
    b"x",
    BASE,
    BASE[:700_000] + b"something else" + BASE[700_000:1_900_000] + BASE[:300_000],
    floats(400_000),
    b"text that repeats itself. " * 500_000,
)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle.of(tmp_path_factory.mktemp("oracle"), *CONTENTS)


@pytest.fixture
async def blobs(tmp_path: Path, oracle: Oracle) -> AsyncIterator[LocalBlobs]:
    place = LocalBlobs(tmp_path / "blobs")
    await place.start()
    await put_all(place, oracle)
    yield place
    await place.close()


async def _read(reader: Reader, oid: str, start: int = 0, end: int | None = None) -> bytes:
    pieces = [piece async for piece in reader.read(oid, start, end)]
    assert all(len(piece) < 2 * PIECE for piece in pieces)
    return b"".join(pieces)


async def test_any_range_is_rebuilt(blobs: LocalBlobs, oracle: Oracle) -> None:
    reader, draw = Reader(blobs), random.Random(1)
    for oid, content in oracle.files.items():
        assert await _read(reader, oid) == content
        size = len(content)
        chunks = await reader.chunk_list(oid)
        edges = {chunks.term(number).start for number in range(chunks.count)} | {0, size}
        places = [draw.randrange(size + 1) for _ in range(20)]
        places += [edge + by for edge in edges for by in (-1, 0, 1) if 0 <= edge + by <= size]
        for start in draw.sample(places, min(len(places), 25)):
            for end in (start, start + 1, draw.randrange(start, size + 1), size + 5, None):
                assert await _read(reader, oid, start, end) == content[start:end]


async def test_an_object_that_is_whole_is_read_whole(blobs: LocalBlobs) -> None:
    content = noise(1000, seed=5)
    reader, oid = Reader(blobs), sha256(content)
    with pytest.raises(NotFound):
        await _read(reader, oid)
    await put(blobs, Key.object(oid), content)
    assert await _read(reader, oid, 5, 50) == content[5:50]


async def test_only_what_is_needed_is_read(blobs: LocalBlobs, oracle: Oracle) -> None:
    """A xorb that is gone does not matter to the ranges that lie elsewhere."""
    oid = sha256(BASE)
    reader = Reader(blobs)
    for name in oracle.xorbs:
        await blobs.delete(Key(Kind.XORB, name))
    assert await _read(reader, oid, 10, 10) == b""
    with pytest.raises(Unavailable):
        await _read(reader, oid, 10, 11)


async def test_a_xorb_that_is_cut_off_is_not_passed_for_the_file(
    blobs: LocalBlobs, oracle: Oracle
) -> None:
    oid = sha256(BASE)
    reader = Reader(blobs)
    await _read(reader, oid)
    for name in oracle.xorbs:
        path = await blobs.local_path(Key(Kind.XORB, name))
        assert path
        Path(path).write_bytes(b"")
    with pytest.raises(Unavailable):
        await _read(reader, oid)


def test_touching_terms_become_one() -> None:
    data = b"".join(b"\0\1\0\0\0\1\0\0" + bytes([number]) for number in range(9))
    tree = xethash.TreeHasher()
    for number in range(9):
        tree.add(xethash.chunk_hash(bytes([number])), 1)
    name = xethash.to_text(tree.root())
    index = check(name, data)
    builder = ListBuilder()
    for first, end in ((0, 2), (2, 5), (6, 7), (7, 9), (0, 1)):
        builder.add(name, index, first, end)
    made = ChunkList(builder.build(b"h" * 32))
    terms = [made.term(number) for number in range(made.count)]
    assert [term[1:] for term in terms] == [(0, 5, 0, 5), (6, 9, 5, 8), (0, 1, 8, 9)]
    assert [made.find(offset) for offset in range(10)] == [0, 0, 0, 0, 0, 1, 1, 1, 2, 3]
    assert (made.size, made.file_hash, len(made.xorbs)) == (9, b"h" * 32, 1)


@given(st.binary(max_size=200), st.integers(0, 100))
def test_any_bytes_are_a_list_or_refused(data: bytes, cut: int) -> None:
    good = ListBuilder().build(bytes(32))
    for packed in (data, good[: len(good) - cut] + data, good[:8] + data):
        try:
            made = ChunkList(packed)
        except Invalid:
            continue
        assert made.data == packed


async def test_the_chunker_says_what_went_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "out").write_bytes(b"no folder")
    with pytest.raises(Unavailable) as refused:
        await chunker.chunk([tmp_path / "file"], tmp_path / "out")
    assert refused.value.details["error"]
