"""A populated hub for attacks: accounts with tokens and keys, and the operator's hand inside."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hubd import config, control
from hubd.app import dismantle
from hubd.blobs.base import Key
from hubd.blobs.build import build
from hubd.core import repos
from hubd.core.context import Core
from hubd.core.idtokens import IdTokens
from hubd.core.limits import Limits
from hubd.core.packcache import PackCache
from hubd.core.rates import Rates
from hubd.core.tasks import Tasks
from hubd.git.objects import ObjectPool
from hubd.git.process import Git
from hubd.git.refcache import RefCache
from hubd.hooks.pipeline import Pipeline
from hubd.lfs import Lfs
from hubd.lfs.signing import Signer
from hubd.obs.metrics import Metrics
from hubd.sealing import Sealer
from hubd.store.engine import Store
from hubd.types import Actor, RepoRef, Role
from tests.gitkit import SshKey, Work, repo_dir
from tests.hubproc import Hub

T = TypeVar("T")


@dataclass
class World:
    """A running hub with three people: ada owns things, bob is a stranger, root is the operator."""

    hub: Hub
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    keys: dict[str, SshKey] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    @classmethod
    def populate(cls, hub: Hub, folder: Path, *names: str) -> World:
        """Make the accounts, each with a write token and an ed25519 key."""
        world = cls(hub, folder)
        for name in names or ("ada", "bob"):
            world.add_user(name)
        return world

    def op(self, op: str, **args: object) -> Any:
        """An operation of ``hubd admin``, without the start of a process."""
        return asyncio.run(control.ask(self.hub.data / "run" / "control.sock", op, args))

    def token(self, name: str, scope: str = "write", **args: object) -> str:
        """A new token."""
        return str(self.op("token.add", user=name, scope=scope, **args))

    def add_user(self, name: str, *, admin: bool = False) -> None:
        """One more account."""
        self.op("user.add", name=name, admin=admin)
        self.tokens[name] = self.token(name)
        key = self.keys[name] = SshKey.make(self.folder / f"key-{name}")
        self.op("key.add", user=name, key=key.public.read_text())

    def repo(
        self,
        visibility: str = "public",
        *,
        owner: str = "ada",
        kind: str = "model",
        object_format: str = "sha1",
    ) -> Repo:
        """A new, empty repository."""
        name = f"r{next(self._numbers)}"
        number = int(
            self.op(
                "repo.add",
                type=kind,
                repo=f"{owner}/{name}",
                visibility=visibility,
                object_format=object_format,
            )
        )
        prefix = "" if kind == "model" else f"{kind}s/"
        return Repo(self, number, f"{prefix}{owner}/{name}", f"{owner}/{name}", owner)

    def grant(self, repo: Repo, user: str, role: Role = Role.WRITE) -> None:
        """Let somebody else in."""
        kind, _, _ = repo.path.rpartition("s/" + repo.name)
        ref = RepoRef.parse(kind or "model", repo.name)
        self.inside(lambda core, actor: repos.grant(core, actor, ref, user, role))

    def work(self, user: str = "ada") -> Work:
        """A clone of this person's, with the key at hand."""
        return Work(self.folder / f"work{next(self._numbers)}", self.keys[user].env)

    def http(self, path: str, user: str = "ada") -> str:
        """An address with a credential."""
        return self.hub.git_url(path, self.tokens[user]) if user else self.hub.git_url(path)

    def ssh(self, path: str) -> str:
        """An SSH address."""
        return f"{self.hub.ssh}/{path}"

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        return sql(self.hub.data, query, *values)

    def inside(self, work: Callable[[Core, Actor], Awaitable[T]]) -> T:
        """Do something as the operator for which there is no command."""
        return inside(self.hub, work)

    def holds(self, key: Key) -> bool:
        """Whether the hub's place has this blob."""

        async def look(core: Core, _actor: Actor) -> bool:
            return await core.lfs.blobs.stat(key) is not None

        return self.inside(look)


@dataclass(frozen=True)
class Repo:
    """A repository on the hub."""

    world: World
    id: int
    path: str
    name: str
    owner: str

    @property
    def http(self) -> str:
        """Its address with the owner's token."""
        return self.world.http(self.path, self.owner)

    @property
    def ssh(self) -> str:
        """Its SSH address."""
        return self.world.ssh(self.path)

    @property
    def dir(self) -> Path:
        """Where it lies."""
        return repo_dir(self.world.hub, self.id)

    def url(self, channel: str, user: str = "") -> str:
        """Its address over one of the two transports."""
        return self.ssh if channel == "ssh" else self.world.http(self.path, user or self.owner)


def sql(data: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database of a data directory says."""
    conn = sqlite3.connect(f"file:{data / 'hubd.db'}?mode=ro", uri=True, timeout=10)
    try:
        return conn.execute(query, values).fetchall()
    finally:
        conn.close()


def inside(hub: Hub, work: Callable[[Core, Actor], Awaitable[T]]) -> T:
    """Run core functions on a hub's data directory in this process, as the operator."""

    async def run() -> T:
        environ = {k: v for k, v in hub.env.items() if k.startswith("HUBD_")}
        settings = config.load(None, environ, {"data_dir": str(hub.data)})
        store = await Store.open(settings.sqlalchemy_url)
        git = Git(settings, None)
        blobs = build(settings)
        if settings.blob_store == "s3":
            # On disk it would empty the running daemon's uploads.
            await blobs.start()
        metrics, refs = Metrics(), RefCache(git)
        lfs = Lfs(
            settings,
            store,
            blobs,
            Signer.of(settings.data / "secrets" / "tickets.key"),
        )
        core = Core(
            config=settings,
            store=store,
            git=git,
            objects=ObjectPool(git),
            refs=refs,
            packs=PackCache(settings.data / "cache" / "packs", 0, 1),
            pipeline=Pipeline(settings, store, git, refs, lfs),
            lfs=lfs,
            sealer=Sealer(bytes(32)),
            limits=Limits(settings, metrics),
            rates=Rates(settings),
            metrics=metrics,
            id_tokens=IdTokens(settings.data / "secrets" / "oauth.pem"),
            tasks=Tasks(),
        )
        try:
            return await work(core, Actor.system())
        finally:
            await dismantle(core)
            # A daemon that runs beside remembers what the database said before.
            with contextlib.suppress(OSError):
                await control.ask(hub.data / "run" / "control.sock", "store.forget", {})

    return asyncio.run(run())
