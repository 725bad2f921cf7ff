"""The LFS protocol by hand: what is sent is what the test says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.apiclient import Api, Reply, basic
from tests.hubkit import Repo

MEDIA_TYPE = "application/vnd.git-lfs+json"


@dataclass(frozen=True)
class Big:
    """A large file: its bytes, and what stands in Git for it."""

    data: bytes

    @classmethod
    def random(cls, size: int = 1000) -> Big:
        """Bytes that nobody else has."""
        return cls(os.urandom(size))

    @property
    def oid(self) -> str:
        """The SHA-256."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def named(self) -> dict[str, Any]:
        """As a batch names it."""
        return {"oid": self.oid, "size": len(self.data)}

    @property
    def pointer(self) -> str:
        """The pointer file."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\n"
            f"size {len(self.data)}\n"
        )


@dataclass(frozen=True)
class LfsClient:
    """A person with a token, or nobody, at one repository."""

    repo: Repo
    token: str = ""

    @property
    def api(self) -> Api:
        """A bare client without a credential."""
        return Api(self.repo.world.hub.http)

    def call(self, path: str, body: Any, **headers: str) -> Reply:
        """POST below the repository's LFS address."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self._ask("POST", path, data, {"Content-Type": MEDIA_TYPE, **headers})

    def get(self, path: str) -> Reply:
        """GET below the repository's LFS address."""
        return self._ask("GET", path, None, {})

    def _ask(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Reply:
        sent = {"Accept": MEDIA_TYPE, **headers}
        if self.token and "Authorization" not in sent:
            sent |= basic("x", self.token)
        target = f"/{self.repo.path}.git/info/lfs/{path}"
        return self.api.send(method, target, data=data, headers=sent)

    def batch(self, operation: str, *files: Big, **more: Any) -> dict[str, Any]:
        """A batch that succeeds; its objects by oid."""
        named = [one.named for one in files]
        reply = self.call("objects/batch", {"operation": operation, "objects": named, **more})
        assert reply.status == 200, reply.body
        assert reply.headers["Content-Type"].startswith(MEDIA_TYPE)
        return {one["oid"]: one for one in msgspec.json.decode(reply.body)["objects"]}

    def action(self, operation: str, big: Big) -> dict[str, Any]:
        """What the batch says to do about one object."""
        return dict(self.batch(operation, big)[big.oid]["actions"][operation])

    def send(self, method: str, href: str, data: bytes | None = None, **headers: str) -> Reply:
        """One request to an address that a batch gave, without any credential."""
        return at_address(method, href, data, headers)

    def upload(self, big: Big) -> None:
        """Send an object as a client does."""
        actions = self.batch("upload", big)[big.oid].get("actions")
        if actions is None:
            return
        done = self.send("PUT", actions["upload"]["href"], big.data)
        assert done.status == 200, done.body
        named = msgspec.json.encode(big.named)
        assert self.send("POST", actions["verify"]["href"], named).status == 200

    def download(self, big: Big) -> bytes:
        """Fetch an object as a client does."""
        done = self.send("GET", self.action("download", big)["href"])
        assert done.status == 200, done.body
        return done.body


def at_address(
    method: str, href: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request to the hub or to the object store."""
    split = urlsplit(href)
    target = split.path + (f"?{split.query}" if split.query else "")
    return Api(f"{split.scheme}://{split.netloc}").send(method, target, data=data, headers=headers)


def client(repo: Repo, user: str = "") -> LfsClient:
    """A client of this person's; without one, of the owner's."""
    return LfsClient(repo, repo.world.tokens[user or repo.owner])
