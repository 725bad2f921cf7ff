"""Xet's hashes, xorbs and shards, against what hf_xet writes."""

from __future__ import annotations

import struct

import lz4.frame
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from hubd.blobs import shard, xethash, xorb
from hubd.blobs.shard import Chunk, Shard, Xorb
from hubd.errors import Invalid
from tests.xetkit import Oracle, check, floats, noise


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    mixed = noise(3_000_000)
    return Oracle.of(
        tmp_path_factory.mktemp("oracle"),
        b"",
        b"x",
        floats(700_000),
        mixed,
        mixed[:1_500_000] + b"inserted" + mixed[1_500_000:],
        b"text that repeats itself. " * 100_000,
        noise(70_000_000, seed=2),
    )


def test_xorbs_have_the_name_and_the_footer_of_the_oracle(oracle: Oracle) -> None:
    assert len(oracle.xorbs) > 1
    for name, data in oracle.xorbs.items():
        index = check(name, data)
        assert data[index.size :] == index.footer()
        assert xorb.Index.parse(index.footer()) == index
        assert len(index.footer()) == xorb.footer_size(index.count)
        assert check(name, data[: index.size], step=7_777) == index


def test_every_way_of_packing_was_seen(oracle: Oracle) -> None:
    schemes = set()
    for name, data in oracle.xorbs.items():
        index = check(name, data)
        schemes |= {data[start + 4] for start in [0, *index.ends[:-1]]}
    assert schemes == set(xorb.Scheme)


def test_files_can_be_rebuilt_and_have_the_hashes_of_the_oracle(oracle: Oracle) -> None:
    indexes = oracle.indexes()
    seen = set()
    for file in oracle.listed():
        tree, content = xethash.TreeHasher(), b""
        for term, expected in zip(file.terms(), file.range_hashes(), strict=True):
            name = xethash.to_text(term.xorb)
            index = indexes[name]
            hashes = index.hashes_of(term.first, term.end)
            assert xethash.range_hash(hashes) == expected
            assert index.plain_length(term.first, term.end) == term.length
            tree.update(hashes, index.lengths(term.first, term.end))
            start, end = index.span(term.first, term.end)
            unpacker = xorb.Unpacker()
            unpacker.feed(oracle.xorbs[name][start:end])
            content += unpacker.take(term.length)
        assert xethash.file_hash(tree.root()) == file.hash
        assert file.sha256
        assert oracle.files[file.sha256] == content
        seen.add(file.sha256)
    assert len(seen) == len(oracle.files) - 1


def test_shards_say_of_xorbs_what_the_xorbs_say(oracle: Oracle) -> None:
    indexes = oracle.indexes()
    listed = [item for one in oracle.shards for item in one.xorbs()]
    assert {xethash.to_text(item.hash) for item in listed} == set(indexes)
    for item in listed:
        index = indexes[xethash.to_text(item.hash)]
        assert b"".join(chunk.hash for chunk in item.chunks) == index.hashes
        assert [chunk.length for chunk in item.chunks] == index.lengths(0, index.count)
        assert item.length == index.plain_ends[-1]
        for chunk in item.chunks:
            # The first of a file, or one by its hash.
            offered = bool(chunk.flags & shard.OFFERED)
            assert offered or not xethash.is_dedup_eligible(chunk.hash)


def test_the_text_form() -> None:
    digest = bytes(range(32))
    text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert xethash.to_text(digest) == text
    assert xethash.from_text(text) == digest


@given(st.binary(min_size=32, max_size=32))
def test_the_text_form_goes_both_ways(digest: bytes) -> None:
    assert xethash.from_text(xethash.to_text(digest)) == digest


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 62 + "\n0"])
def test_no_other_text_is_a_hash(text: str) -> None:
    with pytest.raises(Invalid):
        xethash.from_text(text)


def plain_root(nodes: list[tuple[bytes, int]]) -> bytes:
    """The rule as it is written down, level by level."""
    if not nodes:
        return xethash.ZERO
    while len(nodes) > 1:
        above = []
        while nodes:
            cut = next(
                (
                    place + 1
                    for place, (digest, _) in enumerate(nodes[:9])
                    if place >= 2 and int.from_bytes(digest[24:], "little") % 4 == 0
                ),
                min(len(nodes), 9),
            )
            group, nodes = nodes[:cut], nodes[cut:]
            lines = "".join(f"{xethash.to_text(digest)} : {size}\n" for digest, size in group)
            digest = blake3(lines.encode(), key=xethash._NODE_KEY).digest()
            above.append((digest, sum(size for _, size in group)))
        nodes = above
    return nodes[0][0]


@given(st.integers(0, 300), st.integers(0, 2**32))
def test_the_tree_needs_no_memory_of_all_chunks(count: int, seed: int) -> None:
    data = noise(33 * count, seed)
    nodes = [(data[33 * at : 33 * at + 32], data[33 * at + 32] + 1) for at in range(count)]
    tree = xethash.TreeHasher()
    for digest, length in nodes:
        tree.add(digest, length)
    assert tree.root() == plain_root(nodes)


def chunk(scheme: int, packed: bytes, length: int, version: int = 0) -> bytes:
    head = bytes([version]) + len(packed).to_bytes(3, "little") + bytes([scheme])
    return head + length.to_bytes(3, "little") + packed


def name_of(*plain: bytes) -> str:
    tree = xethash.TreeHasher()
    for one in plain:
        tree.add(xethash.chunk_hash(one), len(one))
    return xethash.to_text(tree.root())


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.sampled_from([0, 1, 2])), min_size=1)
)
def test_what_is_packed_is_unpacked(parts: list[tuple[bytes, int]]) -> None:
    packed = b""
    for plain, scheme in parts:
        streams = b"".join(plain[first::4] for first in range(4)) if scheme == 2 else plain
        body = lz4.frame.compress(streams) if scheme else plain
        packed += chunk(scheme, body, len(plain))
    name = name_of(*(plain for plain, _ in parts))
    index = check(name, packed, step=13)
    assert index.size == len(packed)
    assert xorb.Index.parse(index.footer()) == index
    unpacker = xorb.Unpacker()
    unpacker.feed(packed)
    assert unpacker.take(1 << 30) == b"".join(plain for plain, _ in parts)
    # A footer of somebody else's is not kept.
    checker = xorb.Checker()
    assert checker.feed(packed + b"XETBLOB\x01 anything") == packed
    assert checker.finish(name) == index


BOMB = lz4.frame.compress(bytes(100_000_000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"XETBLOB\x01",
        chunk(0, b"abc", 3)[:-1],
        chunk(0, b"abc", 3) + b"\0",
        chunk(0, b"abc", 3, version=1),
        chunk(0, b"abc", 4),
        chunk(0, b"abc", 2),
        chunk(0, b"", 0),
        chunk(3, b"abc", 3),
        chunk(1, b"abc", 3),
        chunk(1, lz4.frame.compress(b"abc"), 2),
        chunk(1, lz4.frame.compress(b"abc"), 4),
        chunk(1, lz4.frame.compress(b"abc") + b"x", 3),
        chunk(1, lz4.frame.compress(b"abc")[:-1], 3),
        chunk(1, BOMB, 128 * 1024),
        chunk(1, BOMB[:100_000], 128 * 1024),
        chunk(0, bytes(131_073), 131_073),
        chunk(1, lz4.frame.compress(bytes(131_073)), 131_073),
        chunk(0, b"a", 1) * 8193,
        chunk(1, lz4.frame.compress(bytes(131_072)), 131_072) * 513,
        chunk(0, b"abc", 3) + b"XETBLOB" + bytes(2_000_000),
    ],
)
def test_what_is_no_xorb_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        check("0" * 64, data)


def test_the_largest_xorb_is_taken() -> None:
    packed, plain = lz4.frame.compress(bytes(131_072)), bytes(131_072)
    index = check(name_of(*[plain] * 512), chunk(1, packed, 131_072) * 512)
    assert index.plain_ends[-1] == xorb.MAX_PLAIN
    index = check(name_of(*[b"a"] * 8192), chunk(0, b"a", 1) * 8192)
    assert index.count == xorb.MAX_CHUNKS


def test_a_xorb_under_another_name_is_refused() -> None:
    with pytest.raises(Invalid):
        check(name_of(b"abd"), chunk(0, b"abc", 3))


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_a_xorb_or_refused(data: bytes, step: int) -> None:
    for start in (b"", chunk(0, b"abc", 3), chunk(1, lz4.frame.compress(b"abc"), 3)[:12]):
        with pytest.raises(Invalid):
            check("0" * 64, start + data, step)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_xorb_is_refused(data: st.DataObject) -> None:
    plain = noise(40) * 3
    packed = bytearray(chunk(1, lz4.frame.compress(plain), len(plain)))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        index = check(name_of(plain), bytes(packed))
    except Invalid:
        return
    # Some bits of a frame mean nothing; then the plain bytes are the same.
    assert index.hashes == xethash.chunk_hash(plain)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_footer_or_refused(data: bytes) -> None:
    good = check(name_of(b"abc"), chunk(0, b"abc", 3)).footer()
    for footer in (data, good[: len(data)], good + data[:1] if data else b""):
        try:
            assert xorb.Index.parse(footer).footer() == footer
        except Invalid:
            continue


def test_an_answer_is_a_shard() -> None:
    key = noise(32)
    chunks = [
        Chunk(noise(32, seed), seed * 10, 10, shard.OFFERED * (seed == 0)) for seed in range(5)
    ]
    listed = Xorb(noise(32, 9), chunks, 50, 40)
    made = Shard(shard.answer([listed], key, 1000, 2000))
    assert list(made.files()) == []
    assert list(made.xorbs()) == [listed]
    assert made.key == key


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_are_a_shard_or_refused(data: st.DataObject) -> None:
    good = bytearray(
        shard.answer([Xorb(noise(32), [Chunk(noise(32), 0, 5, 0)], 5)], noise(32), 1, 2)
    )
    kind = data.draw(st.sampled_from(["cut", "garbage", "damaged"]))
    if kind == "cut":
        good = good[: data.draw(st.integers(0, len(good)))]
    elif kind == "garbage":
        good[48:] = data.draw(st.binary(max_size=500))
    else:
        good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        made = Shard(bytes(good))
        for file in made.files():
            list(file.terms())
            list(file.range_hashes())
        list(made.xorbs())
    except Invalid:
        return


def test_a_shard_that_promises_more_than_it_has_is_refused() -> None:
    head = shard._HEADER.pack(shard._TAG, 2, 0)
    with pytest.raises(Invalid):
        Shard(head + struct.pack("<32sII8x", bytes(32), 3 << 30, 0xFFFFFFFF) + shard._END * 2)
