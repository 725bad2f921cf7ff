"""T22: packs made by hand. Each is refused with a sentence; nothing of it stays."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import pytest

from tests.gitkit import ZERO, Objects, push_http, push_request, push_ssh, refs_of
from tests.hubkit import Repo, World

COMMIT, TREE, BLOB, OFS, REF = 1, 2, 3, 6, 7


def header(count: int) -> bytes:
    return b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big")


def size_bytes(kind: int, size: int) -> bytes:
    out, byte, size = bytearray(), (kind << 4) | (size & 15), size >> 4
    while size:
        out.append(byte | 0x80)
        byte, size = size & 127, size >> 7
    out.append(byte)
    return bytes(out)


def entry(kind: int, data: bytes, *, claim: int | None = None, base: str = "") -> bytes:
    head = size_bytes(kind, len(data) if claim is None else claim)
    return head + bytes.fromhex(base) + zlib.compress(data)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append((value & 127) | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def sealed(count: int, *entries: bytes) -> bytes:
    body = header(count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def packs(objects: Objects) -> dict[str, tuple[str, bytes]]:
    """(tip, pack) by what is wrong."""
    tip = objects.simple()
    whole = objects.pack_reachable(tip)
    blob = b"x" * 100
    delta = varint(100) + varint(4 << 30) + b"\x90\x64"
    missing = "12" * 20
    return {
        "more objects than a number holds": (tip, header(0xFFFFFFFF) + whole[12:]),
        "a wrong checksum": (tip, whole[:-1] + bytes([whole[-1] ^ 1])),
        "one flipped byte": (tip, whole[:30] + bytes([whole[30] ^ 255]) + whole[31:]),
        "cut off": (tip, whole[: len(whole) // 2]),
        "nothing at all": (tip, b""),
        "another version": (tip, b"PACK" + (9).to_bytes(4, "big") + whole[8:]),
        "a thin pack without its base": (tip, sealed(1, entry(REF, delta, base=missing))),
        "a delta to four gigabytes": (
            tip,
            sealed(
                2,
                entry(BLOB, blob),
                entry(REF, delta, base=hashlib.sha1(b"blob 100\0" + blob).hexdigest()),
            ),
        ),
        "an object longer than it says": (tip, sealed(1, entry(BLOB, blob, claim=10))),
        "an object shorter than it says": (tip, sealed(1, entry(BLOB, blob, claim=10_000))),
        "a commit that is noise": (tip, sealed(1, entry(COMMIT, b"noise\n"))),
        "a tree that is noise": (tip, sealed(1, entry(TREE, b"noise"))),
        "an unknown kind of object": (tip, sealed(1, entry(5, b"x"))),
        "no object that the ref wants": (missing, sealed(1, entry(BLOB, b"x"))),
    }


WRONG = [
    "more objects than a number holds",
    "a wrong checksum",
    "one flipped byte",
    "cut off",
    "nothing at all",
    "another version",
    "a thin pack without its base",
    "a delta to four gigabytes",
    "an object longer than it says",
    "an object shorter than it says",
    "a commit that is noise",
    "a tree that is noise",
    "an unknown kind of object",
    "no object that the ref wants",
]


def clean(repo: Repo) -> bool:
    return (
        not [
            file
            for file in repo.dir.glob("objects/**/*")
            if file.is_file() and "info" not in file.parts
        ]
        and not list(repo.dir.glob("objects/tmp_objdir*"))
        and not list(repo.dir.rglob("*.lock"))
    )


@pytest.mark.parametrize("channel", ["http", "ssh"])
@pytest.mark.parametrize("what", WRONG)
def test_T22_a_wrong_pack_leaves_nothing(
    world: World, repo: Repo, objects: Objects, what: str, channel: str
) -> None:
    tip, pack = packs(objects)[what]
    body = push_request([(ZERO, tip, "refs/heads/main")], pack)
    if channel == "ssh":
        answer = push_ssh(world.hub, repo.path, world.keys["ada"], body)
    else:
        answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
        assert answer.status == 200, answer.text
    assert not answer.accepted("refs/heads/main"), answer.text
    assert answer.text.strip(), "the person is told something"
    assert refs_of(world.hub, repo.http) == {}
    (repo.dir / "hubd.lock").unlink(missing_ok=True)
    assert clean(repo), sorted(map(str, repo.dir.glob("objects/**/*")))


def _chain(objects: Objects, length: int) -> tuple[str, bytes]:
    """A blob with a chain of deltas on it, each one byte longer; and a commit of the last."""
    data = b"a" * 32
    entries: Sequence[bytes] = []
    made = [entry(BLOB, data)]
    base = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    for _ in range(length):
        delta = varint(len(data)) + varint(len(data) + 1) + _copy(len(data)) + b"\x01b"
        made.append(entry(REF, delta, base=base))
        data += b"b"
        base = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    del entries
    tree_data = b"100644 f\0" + bytes.fromhex(base)
    tree = hashlib.sha1(b"tree %d\0" % len(tree_data) + tree_data).hexdigest()
    tip = objects.commit(tree)
    commit = objects.run("cat-file", "commit", tip)
    made += [entry(TREE, tree_data), entry(COMMIT, commit)]
    return tip, sealed(len(made), *made)


def _copy(size: int) -> bytes:
    """Copy ``size`` bytes from the start of the base."""
    out, op = b"", 0x80
    for bit in range(3):
        byte = (size >> (8 * bit)) & 255
        if byte:
            op |= 0x10 << bit
            out += bytes([byte])
    return bytes([op]) + out


def _long_chain(world: World, repo: Repo, objects: Objects, length: int) -> None:
    tip, pack = _chain(objects, length)
    body = push_request([(ZERO, tip, "refs/heads/main")], pack)
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert answer.status == 200
    assert answer.accepted("refs/heads/main") or "ng refs/heads/main" in answer.text, answer.text
    assert refs_of(world.hub, repo.http).get("refs/heads/main", tip) == tip


def test_T22_a_long_chain_of_deltas(world: World, repo: Repo, objects: Objects) -> None:
    _long_chain(world, repo, objects, 3000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_T22_a_chain_of_a_hundred_thousand_deltas(
    world: World, repo: Repo, objects: Objects
) -> None:
    _long_chain(world, repo, objects, 100_000)


def test_T22_the_same_object_twice(world: World, repo: Repo, objects: Objects) -> None:
    tip = objects.simple()
    whole = objects.pack_reachable(tip)
    count = int.from_bytes(whole[8:12], "big")
    pack = sealed(count + 2, whole[12:-20], entry(BLOB, b"twice"), entry(BLOB, b"twice"))
    body = push_request([(ZERO, tip, "refs/heads/main")], pack)
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert answer.status == 200
    if answer.accepted("refs/heads/main"):
        assert world.op("repo.fsck", repo=repo.name) == []
