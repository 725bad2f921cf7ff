"""Everything that has to stand before something can be timed."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks import repositories
from benchmarks.clients import Ssh, environment, fetch_request, fresh, git
from benchmarks.lfs import Account, Giftless, peak_memory, processor_time
from benchmarks.replay import Replay
from benchmarks.servers import Nginx, OpenSsh, write_git_settings
from hubd import control
from hubd.git.layout import repo_path
from tests.hubproc import Hub

OWNER = "bench"
# Repositories for large files.
LARGE = ("one", "many", "ssh", "crowd")


@dataclass(frozen=True)
class Scale:
    """How large everything is."""

    pack: int
    history: int
    refs: int
    files: int
    clones: int
    rounds: int
    repeat: int
    # Bytes of the one large file, and how many of a thousandth of that.
    large: int
    many: int
    # Calls of the Hub's API: requests in a row, and files of a snapshot.
    requests: int
    snapshot: int


FULL = Scale(
    335_000_000,
    50_000,
    10_000,
    100_000,
    clones=8,
    rounds=5,
    repeat=10,
    large=1_000_000_000,
    many=1000,
    requests=20_000,
    snapshot=2000,
)
QUICK = Scale(
    3_000_000,
    300,
    200,
    500,
    clones=2,
    rounds=1,
    repeat=1,
    large=3_000_000,
    many=5,
    requests=80,
    snapshot=20,
)


def _makers(scale: Scale) -> dict[str, Callable[[Path], Path]]:
    return {
        "small": repositories.small,
        "pack": lambda path: repositories.big_pack(path, scale.pack),
        "history": lambda path: repositories.long_history(path, scale.history),
        "refs": lambda path: repositories.many_refs(path, scale.refs),
        "files": lambda path: repositories.many_files(path, scale.files),
    }


def _ask(hub: Hub, operation: str, **args: object) -> object:
    """What ``hubd admin`` asks of a running daemon, without a new Python for each question."""
    return asyncio.run(control.ask(hub.data / "run" / "control.sock", operation, args))


class Rig:
    """hubd twice (with and without its pack cache), nginx, sshd and giftless beside it."""

    def __init__(self, place: Path, scale: Scale, say: Callable[[str], None]) -> None:
        self.place, self.scale, self._say = place, scale, say
        self.repos = place / "repos"
        self.sources = place / "sources"
        self.key = place / "key"
        self.env = environment()
        self._stack = ExitStack()
        self._ids: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _set_up(self) -> None:
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)]
        subprocess.run(keygen, check=True)
        self.public_key = self.key.with_suffix(".pub")
        self.hub = self._start_hub("hub")
        self.plain = self._start_hub("plain", pack_cache_limit=0)
        self.token = str(_ask(self.hub, "token.add", user=OWNER, scope="write"))
        plain_token = str(_ask(self.plain, "token.add", user=OWNER, scope="write"))
        self.repos.mkdir()
        self.sources.mkdir()
        for name, make in _makers(self.scale).items():
            self._say(f"making repository '{name}'")
            make(self.sources / name)
            path = self._publish(self.hub, self.token, name)
            if name == "pack":
                self._publish(self.plain, plain_token, name)
            # The others serve what hubd's maintenance left: equal packs, bitmaps, packed refs.
            shutil.copytree(path, self.repos / f"{name}.git")
        for name in ("small", "refs", "files"):
            self._copies_to_push(name)
        settings = write_git_settings(self.place / "gitconfig")
        self.nginx = self._stack.enter_context(Nginx(self.place / "nginx", self.repos, settings))
        server = OpenSsh(self.place / "sshd", settings, self.public_key)
        self.giftless = self._stack.enter_context(Giftless(self.place / "giftless"))
        for name in LARGE:
            where = {"type": "model", "repo": f"{OWNER}/{name}"}
            _ask(self.hub, "repo.add", visibility="public", **where)
        self.openssh = self._stack.enter_context(server)
        self.base_ssh = Ssh(self.openssh.user, self.openssh.port, self.key)
        self.request = fetch_request(self.sources / "pack")

    def _start_hub(self, name: str, **settings: Any) -> Hub:
        data = self.place / name / "data"
        hub = Hub(data, log_level="info", maintenance_pushes=1_000_000, **settings)
        self._stack.enter_context(hub)
        _ask(hub, "user.add", name=OWNER)
        _ask(hub, "key.add", user=OWNER, key=self.public_key.read_text())
        return hub

    def ssh(self, hub: Hub) -> Ssh:
        """How to reach a hub's SSH server."""
        return Ssh("git", urlsplit(hub.ssh).port or 0, self.key)

    def _publish(self, hub: Hub, token: str, name: str) -> Path:
        """Push a repository to a hub and have it repacked; its directory there."""
        path = self._add(hub, name, hub.git_url(f"{OWNER}/{name}", token), self.sources / name)
        _ask(hub, "repo.gc", type="model", repo=f"{OWNER}/{name}")
        return path

    def _add(self, hub: Hub, name: str, url: str, source: Path) -> Path:
        where = {"type": "model", "repo": f"{OWNER}/{name}"}
        number = int(str(_ask(hub, "repo.add", visibility="public", **where)))
        if hub is self.__dict__.get("hub"):
            self._ids[name] = number
        git("push", "--quiet", url, "refs/*:refs/*", cwd=source, env=self.env)
        return repo_path(hub.data / "repos", number)

    def _copies_to_push(self, name: str) -> None:
        """A repository of its own for each server and transport that is pushed to."""
        for way in ("http", "ssh"):
            copy = f"{name}-{way}"
            url = self.hub.git_url(f"{OWNER}/{copy}", self.token)
            self._add(self.hub, copy, url, self.sources / name)
            _ask(self.hub, "repo.gc", type="model", repo=f"{OWNER}/{copy}")
            shutil.copytree(self.repos / f"{name}.git", self.repos / f"{copy}.git")

    def forget_packs(self, name: str) -> None:
        """Empty the hub's pack cache for a repository."""
        fresh(self.hub.data / "cache" / "packs" / str(self._ids[name]))

    @property
    def stores(self) -> tuple[Path, Path]:
        """Where uploads to the hub and to giftless lie; who empties them gives back the disk."""
        return self.hub.data / "blobs" / "objects", self.place / "giftless" / "store"

    def ask(self, operation: str, **args: object) -> object:
        """An operation of ``hubd admin`` on the hub."""
        return _ask(self.hub, operation, **args)

    def beside(self, server: Replay) -> str:
        """Start one more server, which ends with the rest; its address."""
        return self._stack.enter_context(server).url

    def account(self, name: str) -> Account:
        """The LFS address of one of the hub's repositories for large files."""
        return Account(f"{self.hub.http}/{OWNER}/{name}.git/info/lfs", self.token)

    def hub_url(self, name: str, hub: Hub | None = None) -> str:
        """A repository's address over HTTP, for a stranger."""
        return f"{(hub or self.hub).http}/{OWNER}/{name}"

    def processor_time(self) -> float:
        """Seconds of processor time that the daemons themselves used so far."""
        return sum(processor_time(hub.process.pid) for hub in (self.hub, self.plain))

    def peak_memory(self) -> list[float]:
        """The most memory each daemon ever held, in MB."""
        return [peak_memory(hub.process.pid) for hub in (self.hub, self.plain)]
