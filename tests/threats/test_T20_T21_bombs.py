"""T20, T21: few bytes that stand for very many paths or very large files."""

from __future__ import annotations

import hashlib
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.gitkit import (
    ZERO,
    Objects,
    descendants,
    http,
    memory_kib,
    push_http,
    push_request,
    push_ssh,
    refs_of,
)
from tests.hubkit import Repo, World


def tree_bomb(objects: Objects, levels: int = 9, width: int = 10) -> str:
    """``width ** levels`` paths in ``levels + 2`` objects."""
    tip, mode = objects.blob(b"boom\n"), "100644"
    for _ in range(levels):
        tip = objects.tree([(mode, b"d%02d" % i, tip) for i in range(width)])
        mode = "40000"
    return objects.commit(tip)


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T20_a_tree_of_a_thousand_million_paths_is_judged_at_once(
    world: World, repo: Repo, objects: Objects, channel: str
) -> None:
    tip = tree_bomb(objects)
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    assert len(body) < 4096
    began = time.monotonic()
    if channel == "ssh":
        answer = push_ssh(world.hub, repo.path, world.keys["ada"], body)
    else:
        answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    seconds = time.monotonic() - began
    assert answer.unpacked, answer.text
    assert seconds < 10, "far below what a walk of all paths would take"


def test_T20_reading_a_bomb_shows_one_folder(world: World, repo: Repo, objects: Objects) -> None:
    tip = tree_bomb(objects)
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    assert push_http(world.hub, repo.path, world.tokens["ada"], body).accepted("refs/heads/main")
    from hubd.core import browse
    from hubd.types import RepoRef

    async def look(core, actor):  # type: ignore[no-untyped-def]
        at = await browse.at(core, actor, RepoRef.from_path(repo.path), "main")
        return await browse.tree(core, at, "", with_commits=True)

    began = time.monotonic()
    assert world.inside(look).total == 10
    assert time.monotonic() - began < 30


class Watch:
    """The peak memory of every git child below a daemon, sampled."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak_kib = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._end.wait(0.02):
            for child in descendants(self.pid):
                try:
                    # Between fork and exec a child still looks like the daemon itself.
                    if not Path(f"/proc/{child}/comm").read_text().startswith("git"):
                        continue
                    # RssAnon: pages of a mapped pack are the kernel's to take back.
                    self.peak_kib = max(self.peak_kib, memory_kib(child, "RssAnon"))
                except (FileNotFoundError, ProcessLookupError):
                    continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def zeros_pack(size: int) -> bytes:
    """A pack with one blob of that many zeros, made without holding them."""
    head = b"PACK" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big")
    first, rest = 0x30 | (size & 15), size >> 4
    length = bytearray()
    while rest:
        length.append(first | 0x80)
        first, rest = rest & 127, rest >> 7
    length.append(first)
    packer = zlib.compressobj(9)
    piece, left = bytes(1 << 20), size
    body = bytearray(head + bytes(length))
    while left:
        body += packer.compress(piece[: min(left, len(piece))])
        left -= min(left, len(piece))
    body += packer.flush()
    return bytes(body) + hashlib.sha1(body).digest()


def zeros_oid(size: int) -> str:
    found = hashlib.sha1(b"blob %d\0" % size)
    left = size
    while left:
        found.update(bytes(min(left, 1 << 20)))
        left -= min(left, 1 << 20)
    return found.hexdigest()


def bomb(objects: Objects, size: int) -> tuple[str, bytes, bytes]:
    """A commit with the blob, and two packs: the blob's, and that of commit and tree."""
    tree = objects.tree([("100644", b"zeros.bin", zeros_oid(size))])
    tip = objects.commit(tree)
    return tip, zeros_pack(size), objects.pack(tip, tree)


def joined(first: bytes, second: bytes) -> bytes:
    """One pack of two packs' objects."""
    count = int.from_bytes(first[8:12], "big") + int.from_bytes(second[8:12], "big")
    body = first[:8] + count.to_bytes(4, "big") + first[12:-20] + second[12:-20]
    return body + hashlib.sha1(body).digest()


def _blob_bomb(world: World, repo: Repo, objects: Objects, size: int) -> None:
    tip, blob, rest = bomb(objects, size)
    body = push_request([(ZERO, tip, "refs/heads/main")], joined(blob, rest))
    assert len(body) < size / 500
    pid = world.hub.process.pid
    with Watch(pid) as watch:
        answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert answer.unpacked, answer.text
    assert "ng refs/heads/main pre-receive hook declined" in answer.report
    assert "zeros.bin" in answer.text
    assert "git lfs migrate import --everything --include='*.bin'" in answer.text
    assert watch.peak_kib < 64 * 1024, f"a child held {watch.peak_kib} KiB"
    assert not list(repo.dir.glob("objects/tmp_objdir*")), "the quarantine is gone"


def test_T21_a_blob_of_zeros_is_measured_and_not_read(
    world: World, repo: Repo, objects: Objects
) -> None:
    _blob_bomb(world, repo, objects, 200 << 20)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_T21_a_blob_of_one_and_a_half_gigabytes(world: World, repo: Repo, objects: Objects) -> None:
    _blob_bomb(world, repo, objects, 1536 << 20)


def _gzip_of_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece, out, left = bytes(1 << 20), bytearray(), size
    while left > 0:
        out += packer.compress(piece)
        left -= len(piece)
    return bytes(out + packer.flush())


@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
def test_T34_a_body_that_unpacks_to_a_gigabyte_is_refused(
    world: World, repo: Repo, service: str, gigabyte: Callable[[], bytes]
) -> None:
    body = gigabyte()
    pid = world.hub.process.pid
    before = memory_kib(pid, "VmHWM")
    status, _, text = http(
        world.hub,
        "POST",
        f"/{repo.path}/{service}",
        token=world.tokens["ada"],
        body=body,
        headers={
            "Content-Type": f"application/x-{service}-request",
            "Content-Encoding": "gzip",
            "Git-Protocol": "version=2",
        },
    )
    assert status in {200, 400, 413}, (status, text)
    assert memory_kib(pid, "VmHWM") - before < 100 * 1024
    assert refs_of(world.hub, repo.http) == {}


@pytest.fixture(scope="session")
def gigabyte() -> Callable[[], bytes]:
    """A gigabyte of zeros in a megabyte, made once."""
    made: list[bytes] = []

    def make() -> bytes:
        if not made:
            made.append(_gzip_of_zeros(1 << 30))
        return made[0]

    return make
