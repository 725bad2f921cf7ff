"""Xet's protocol by hand: what is sent is what the test says."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import lz4.frame
import msgspec

from hubd.blobs import shard, xethash
from tests.apiclient import Api, Reply
from tests.hubkit import Repo
from tests.xetkit import sha256, token_path


@dataclass(frozen=True)
class Packed:
    """A xorb of these chunks."""

    chunks: tuple[bytes, ...]

    @classmethod
    def of(cls, *chunks: bytes) -> Packed:
        return cls(chunks)

    @property
    def hashes(self) -> list[bytes]:
        return [xethash.chunk_hash(chunk) for chunk in self.chunks]

    @property
    def root(self) -> bytes:
        tree = xethash.TreeHasher()
        for digest, chunk in zip(self.hashes, self.chunks, strict=True):
            tree.add(digest, len(chunk))
        return tree.root()

    @property
    def name(self) -> str:
        return xethash.to_text(self.root)

    @property
    def data(self) -> bytes:
        return b"".join(packed(chunk) for chunk in self.chunks)


def packed(plain: bytes, scheme: int = 1) -> bytes:
    """One chunk with its header."""
    body = lz4.frame.compress(plain) if scheme else plain
    head = struct.pack("<B3sB3s", 0, _u24(len(body)), scheme, _u24(len(plain)))
    return head + body


def _u24(number: int) -> bytes:
    return number.to_bytes(3, "little")


@dataclass(frozen=True)
class Part:
    """A term: chunks [first, end) of a xorb; what is None is what is true."""

    xorb: Packed
    first: int
    end: int
    length: int | None = None
    range_hash: bytes | None = None

    @property
    def plain(self) -> bytes:
        return b"".join(self.xorb.chunks[self.first : self.end])


@dataclass(frozen=True)
class Made:
    """A file of these parts; what is None is what is true."""

    parts: tuple[Part, ...]
    sha: str | None = None
    hash: bytes | None = None
    flags: int = 0xC0000000

    @classmethod
    def of(cls, *parts: Part) -> Made:
        return cls(parts)

    @property
    def content(self) -> bytes:
        return b"".join(part.plain for part in self.parts)

    @property
    def file_hash(self) -> bytes:
        if self.hash is not None:
            return self.hash
        tree = xethash.TreeHasher()
        for part in self.parts:
            for place in range(part.first, min(part.end, len(part.xorb.chunks))):
                tree.add(part.xorb.hashes[place], len(part.xorb.chunks[place]))
        return xethash.file_hash(tree.root())

    @property
    def name(self) -> str:
        return xethash.to_text(self.file_hash)

    @property
    def records(self) -> bytes:
        out = [struct.pack("<32sII8x", self.file_hash, self.flags, len(self.parts))]
        for part in self.parts:
            length = len(part.plain) if part.length is None else part.length
            out.append(struct.pack("<32sIIII", part.xorb.root, 0, length, part.first, part.end))
        if self.flags & 1 << 31:
            for part in self.parts:
                digest = xethash.range_hash(b"".join(part.xorb.hashes[part.first : part.end]))
                out.append(struct.pack("<32s16x", part.range_hash or digest))
        if self.flags & 1 << 30:
            digest = xethash.from_text(self.sha or sha256(self.content))
            out.append(struct.pack("<32s16x", digest))
        return b"".join(out)


def shard_of(*files: Made) -> bytes:
    """As clients send it; the xorb section is empty, as nobody reads it."""
    head = shard._HEADER.pack(shard._TAG, 2, 0)
    return head + b"".join(file.records for file in files) + shard._END * 2


@dataclass(frozen=True)
class Cas:
    """Calls with one access token."""

    api: Api
    place: str
    token: str

    @classmethod
    def of(cls, repo: Repo, right: str = "write", user: str = "") -> Cas:
        """With a token of this person's; without one, of the owner's."""
        reply = ask(repo, right, repo.world.tokens[user or repo.owner])
        assert reply.status == 200, reply.body
        body = reply.json
        return cls(Api(repo.world.hub.http), urlsplit(body["casUrl"]).path, body["accessToken"])

    def with_token(self, token: str) -> Cas:
        return replace(self, token=token)

    def send(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        return self.api.send(method, self.place + path, data=data, headers=sent)

    def xorb(self, xorb: Packed, *, name: str = "", data: bytes | None = None) -> Reply:
        body = xorb.data if data is None else data
        return self.send("POST", f"/v1/xorbs/default/{name or xorb.name}", body)

    def shard(self, *files: Made) -> Reply:
        return self.send("POST", "/v1/shards", shard_of(*files))

    def upload(self, file: Made) -> None:
        """Send what a file needs, then the file."""
        for part in file.parts:
            assert self.xorb(part.xorb).status == 200
        done = self.shard(file)
        assert done.status == 200, done.body

    def plan(self, file: Made, span: str = "", version: int = 2) -> Reply:
        path = f"/v{version}/reconstructions/{file.name}"
        return self.send("GET", path, None, **({"Range": f"bytes={span}"} if span else {}))

    def fetch(self, url: str, span: str = "") -> Reply:
        """A signed address, without a token."""
        headers = {"Range": f"bytes={span}"} if span else {}
        return self.api.send("GET", urlsplit(url).path, headers=headers)

    def rebuild(self, file: Made, span: str = "") -> bytes:
        """Do as a client does with a plan, including the bytes to skip."""
        plan: dict[str, Any] = self.plan(file, span).json
        out = b""
        for term in plan["terms"]:
            (entry,) = [
                entry
                for entry in plan["xorbs"][term["hash"]]
                if entry["ranges"][0]["chunks"]["start"] <= term["range"]["start"]
                and entry["ranges"][0]["chunks"]["end"] >= term["range"]["end"]
            ]
            found = entry["ranges"][0]
            reply = self.fetch(entry["url"], f"{found['bytes']['start']}-{found['bytes']['end']}")
            assert reply.status == 206, reply.body
            plain = list(_unpacked(reply.body))
            skip = found["chunks"]["start"]
            wanted = b"".join(plain[term["range"]["start"] - skip : term["range"]["end"] - skip])
            assert len(wanted) == term["unpacked_length"]
            out += wanted
        return out[plan["offset_into_first_range"] :]


def _unpacked(data: bytes) -> Any:
    while data:
        size = int.from_bytes(data[1:4], "little")
        yield lz4.frame.decompress(data[8 : 8 + size])
        data = data[8 + size :]


def ask(repo: Repo, right: str, token: str = "") -> Reply:
    """For an access token."""
    return Api(repo.world.hub.http, token).send("GET", token_path(repo, right))


def lines(reply: Reply) -> list[dict[str, Any]]:
    """The answer to a shard in the second version."""
    assert reply.headers["Content-Type"].startswith("application/x-ndjson")
    return [msgspec.json.decode(line) for line in reply.body.splitlines()]
