"""Xet's formats as the real client writes them, and what the tests share about them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hubd.blobs import chunker, xethash
from hubd.blobs.base import PIECE, Blobs, Key, Kind
from hubd.blobs.chunked import ListBuilder
from hubd.blobs.shard import File, Shard
from hubd.blobs.xorb import Checker, Index
from tests.hubkit import Repo
from tests.hubproc import ROOT


def floats(count: int, seed: int = 1) -> bytes:
    """Like weights: packs best when bytes of equal weight stand together."""
    draw = random.Random(seed)
    return struct.pack(f"<{count}f", *(draw.gauss(0, 1) for _ in range(count)))


def noise(count: int, seed: int = 1) -> bytes:
    """Does not pack at all."""
    return random.Random(seed).randbytes(count)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Oracle:
    """Files as hf_xet chunked them."""

    files: dict[str, bytes]
    xorbs: dict[str, bytes]
    shards: list[Shard]

    @classmethod
    def of(cls, folder: Path, *contents: bytes) -> Oracle:
        """Chunk these contents in a child process."""
        paths = []
        for number, content in enumerate(contents):
            paths.append(folder / f"file{number}")
            paths[-1].write_bytes(content)
        made = asyncio.run(chunker.chunk(paths, folder / "out"))
        return cls(
            {sha256(content): content for content in contents},
            {name: file.read_bytes() for name, file in made.xorbs.items()},
            [Shard(file.read_bytes()) for file in made.shards],
        )

    def listed(self) -> list[File]:
        """All files of the shards but the empty one."""
        return [file for shard in self.shards for file in shard.files() if file.count]

    def indexes(self) -> dict[str, Index]:
        """Every xorb, checked."""
        return {name: check(name, data) for name, data in self.xorbs.items()}

    def list_of(self, file: File, indexes: dict[str, Index]) -> bytes:
        """The packed chunk list of a file."""
        builder = ListBuilder()
        for term in file.terms():
            name = xethash.to_text(term.xorb)
            builder.add(name, indexes[name], term.first, term.end)
        return builder.build(file.hash)


def check(name: str, data: bytes, step: int = 100_000) -> Index:
    """The index of a xorb that comes in pieces."""
    checker = Checker()
    for at in range(0, len(data), step):
        checker.feed(data[at : at + step])
    return checker.finish(name)


async def put(blobs: Blobs, key: Key, data: bytes) -> None:
    """Store a blob."""
    sink = await blobs.begin()
    for at in range(0, len(data), PIECE):
        await sink.write(data[at : at + PIECE])
    await sink.commit(key)


async def put_all(blobs: Blobs, oracle: Oracle) -> None:
    """Store an oracle's xorbs and lists."""
    indexes = oracle.indexes()
    for name, index in indexes.items():
        data = oracle.xorbs[name][: index.size] + index.footer()
        await put(blobs, Key(Kind.XORB, name), data)
    for file in oracle.listed():
        assert file.sha256
        await put(blobs, Key(Kind.LIST, file.sha256), oracle.list_of(file, indexes))


@dataclass(frozen=True)
class Info:
    """A file as the client names it."""

    hash: str
    sha256: str
    size: int


@dataclass(frozen=True)
class XetClient:
    """hf_xet, unmodified, with a folder of its own for what it remembers."""

    repo: Repo
    token: str
    home: Path

    @classmethod
    def of(cls, repo: Repo, home: Path, user: str = "") -> XetClient:
        """A client of this person's; without one, of the owner's."""
        home.mkdir(parents=True, exist_ok=True)
        return cls(repo, repo.world.tokens[user or repo.owner], home)

    def start(self, op: str, right: str, **asked: object) -> subprocess.Popen[str]:
        """One run of the client, under way."""
        url = self.repo.world.hub.http + token_path(self.repo, right)
        started = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "xetdriver.py")],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert started.stdin
        json.dump({"op": op, "url": url, "token": self.token, **asked}, started.stdin)
        started.stdin.close()
        started.stdin = None
        return started

    def run(self, op: str, right: str, **asked: object) -> subprocess.CompletedProcess[str]:
        """One run of the client, however it ends."""
        started = self.start(op, right, **asked)
        out, err = started.communicate(timeout=120)
        return subprocess.CompletedProcess([], started.returncode, out, err)

    def _must(self, op: str, right: str, **asked: object) -> str:
        done = self.run(op, right, **asked)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self, *contents: bytes) -> list[str]:
        """Contents as files."""
        paths = []
        for content in contents:
            path = self.home / f"in-{sha256(content)}"
            path.write_bytes(content)
            paths.append(str(path))
        return paths

    def upload(self, *contents: bytes) -> list[Info]:
        """Send contents as the Hub's clients do before they commit."""
        files = self.files(*contents)
        return [Info(**one) for one in json.loads(self._must("upload", "write", files=files))]

    def download(self, *infos: Info) -> list[bytes]:
        """Fetch whole files."""
        files = [
            {"hash": one.hash, "size": one.size, "path": str(self.home / f"out{number}")}
            for number, one in enumerate(infos)
        ]
        self._must("download", "read", files=files)
        return [Path(str(file["path"])).read_bytes() for file in files]

    def stream(self, info: Info, start: int, end: int) -> bytes:
        """Fetch a range of a file."""
        path = self.home / "range"
        asked = {"hash": info.hash, "size": info.size, "start": start, "end": end}
        self._must("stream", "read", path=str(path), **asked)
        return path.read_bytes()


def token_path(repo: Repo, right: str) -> str:
    """Where clients get their tokens."""
    kind = repo.path.removesuffix(repo.name).strip("/") or "models"
    return f"/api/{kind}/{repo.name}/xet-{right}-token/main"
