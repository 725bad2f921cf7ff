"""The composition root: builds one hub from its settings, starts and stops it in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import web

from hubd import control
from hubd.blobs import place
from hubd.blobs.build import build_place
from hubd.config import Config, parse_listen, with_live
from hubd.core import push
from hubd.core.context import Core
from hubd.core.deliveries import delivering
from hubd.core.housekeeping import collecting, housekeeping
from hubd.core.idtokens import IdTokens
from hubd.core.limits import Limits
from hubd.core.packcache import PackCache
from hubd.core.rates import Rates
from hubd.core.tasks import Tasks
from hubd.errors import Conflict, Invalid
from hubd.git.objects import ObjectPool
from hubd.git.process import Git
from hubd.git.refcache import RefCache
from hubd.hooks import install_hooks
from hubd.hooks.pipeline import Pipeline
from hubd.http import ending, site
from hubd.http.gate import GatedSite
from hubd.lfs import Lfs, move
from hubd.lfs.signing import Signer
from hubd.obs.log import set_level
from hubd.obs.loopwatch import watch_loop
from hubd.obs.metrics import Metrics
from hubd.sealing import Sealer, key_file
from hubd.ssh import server as ssh
from hubd.store.engine import Store
from hubd.systemd import Notifier, inherited_sockets
from hubd.tls import TlsFiles
from hubd.web import pages

log = structlog.get_logger()
FOLDERS = ("repos", "cache/packs", "ssh", "run", "tmp", "home")
_ENDING_SECONDS = 2.0
_SSH_PORT = 22


class Lock:
    """The data directory belongs to one process at a time."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o750)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(data / "hubd.lock", flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise Conflict(f"Another hubd uses {data}.", hint="Stop it first.") from None

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)


async def build(config: Config) -> Core:
    """Everything but listeners; the caller holds the data directory's lock."""
    data = config.data
    for folder in FOLDERS:
        (data / folder).mkdir(parents=True, exist_ok=True, mode=0o750)
    hooks_dir = await asyncio.to_thread(install_hooks, data / "run" / "hooks")
    if not config.database_url:
        # SQLite gives its other files the mode of this one; it holds hashes and addresses.
        (data / "hubd.db").touch(mode=0o600)
    lies, begins = await asyncio.to_thread(place.settle, config)
    blobs = build_place(config, lies)
    store = await Store.open(config.sqlalchemy_url)
    try:
        await store.migrate_apart()
        git = Git(config, hooks_dir)
        await git.check()
        await blobs.start()
    except BaseException:
        await store.close()
        raise
    signer = await asyncio.to_thread(Signer.of, data / "secrets" / "tickets.key")
    lfs = Lfs(config, store, blobs, signer)
    await move.settle(lfs, lies, begins=begins)
    sealer = Sealer(await asyncio.to_thread(key_file, data / "secrets" / "values.key"))
    metrics = Metrics()
    refs = RefCache(git)
    packs = PackCache(data / "cache" / "packs", config.pack_cache_limit, config.pack_cache_days)
    await asyncio.to_thread(packs.prepare)
    return Core(
        config=config,
        store=store,
        git=git,
        objects=ObjectPool(git),
        refs=refs,
        packs=packs,
        pipeline=Pipeline(config, store, git, refs, lfs),
        lfs=lfs,
        sealer=sealer,
        limits=Limits(config, metrics),
        rates=Rates(config),
        metrics=metrics,
        id_tokens=IdTokens(data / "secrets" / "oauth.pem"),
        tasks=Tasks(),
    )


async def dismantle(core: Core, grace: float = 5.0) -> None:
    """The reverse of ``build``."""
    await core.tasks.close(grace)
    await core.objects.close()
    await core.lfs.blobs.close()
    await core.store.close()


def bind(listen: str, name: str) -> socket.socket:
    """A bound, listening TCP socket; raises ``Invalid`` with the reason."""
    host, port = parse_listen(listen, name)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise Invalid(
            f"{name} {listen} cannot be used: {error.strerror}.",
            hint="Choose another address or stop what uses it.",
        ) from error
    sock.setblocking(False)
    return sock


def address_of(sock: socket.socket, scheme: str, user: str = "") -> str:
    """A URL for a bound socket; one bound to every address is shown as loopback."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(name[0], name[0]), name[1]  # noqa: S104
    return f"{scheme}://{user}{f'[{host}]' if ':' in host else host}:{port}"


def public_ssh_url(config: Config, bound: str) -> str:
    """How people reach the SSH server: as set, else the first public URL's host and our port."""
    if config.public_ssh_url:
        return config.public_ssh_url.rstrip("/")
    host = urlsplit(config.public_urls[0]).hostname if config.public_urls else None
    port = urlsplit(bound).port
    if not host or not port:
        return bound
    name = f"[{host}]" if ":" in host else host
    return f"ssh://git@{name}" + ("" if port == _SSH_PORT else f":{port}")


@dataclass
class Daemon:
    """A hub with its doors open."""

    core: Core
    http_url: str = ""
    ssh_url: str = ""
    _runner: web.AppRunner | None = None
    _sites: list[web.SockSite] = field(default_factory=list)
    _ssh: ssh.Door | None = None
    _background: list[asyncio.Task[None]] = field(default_factory=list)
    _control: control.Server | None = None

    async def start(self) -> None:
        """Recover, then open the doors."""
        core, config = self.core, self.core.config
        # A killed daemon leaves it, and it must not speak for this one.
        (config.data / "run" / "ready.json").unlink(missing_ok=True)
        recovered = await push.recover(core)
        if recovered:
            log.info("start.recovered", pushes=recovered)
        given = inherited_sockets()
        http_sockets = given.get("http") or (
            [bind(config.http_listen, "http_listen")] if config.http_listen else []
        )
        ssh_sockets = given.get("ssh") or (
            [bind(config.ssh_listen, "ssh_listen")] if config.ssh_listen else []
        )
        tls = await asyncio.to_thread(TlsFiles.load, config)
        if http_sockets:
            self.http_url = address_of(http_sockets[0], "https" if tls else "http")
        if ssh_sockets:
            self.ssh_url = address_of(ssh_sockets[0], "ssh", "git@")
        core.http_url = self.http_url
        core.ssh_url = public_ssh_url(config, self.ssh_url)
        await self._serve_http(http_sockets, tls.context if tls else None)
        self._ssh = await ssh.listen(core, ssh_sockets)
        self._control = await control.serve(core, config.data / "run" / "control.sock")
        self.keep_running(housekeeping(core), "housekeeping")
        self.keep_running(collecting(core), "collecting")
        self.keep_running(delivering(core), "webhooks")
        self.keep_running(watch_loop(core.metrics.loop_lag_seconds), "loop watch")
        self.keep_running(Notifier().watchdog(), "watchdog")
        if tls:
            self.keep_running(tls.watch(), "certificate watch")

    def keep_running(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run until the daemon stops; the stop does not wait for it."""
        self._background.append(self.core.tasks.start(work, name))

    async def _serve_http(
        self, sockets: list[socket.socket], context: ssl.SSLContext | None
    ) -> None:
        config = self.core.config
        app = site.build(self.core)
        pages.add_to(app)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=config.idle_timeout,
            # What is in flight is waited for in ``stop``; this is for what did not finish.
            shutdown_timeout=_ENDING_SECONDS,
            auto_decompress=True,
            # A path of 4 KiB, percent-encoded, fits.
            max_line_size=site.MAX_HEADER,
        )
        await self._runner.setup()
        for sock in sockets:
            http_site = GatedSite(
                self._runner,
                sock,
                ssl_context=context,
                backlog=1024,
                limit=lambda: self.core.config.connections,
            )
            self._sites.append(http_site)
            await http_site.start()

    async def announce(self) -> None:
        """Say in ``run/ready.json``, to the service manager and in the log that all is ready."""
        await asyncio.to_thread(self._write_ready)
        Notifier().ready(f"serving {self.http_url} and {self.ssh_url}")
        log.info("start.ready", http=self.http_url, ssh=self.ssh_url)

    def _write_ready(self) -> None:
        ready = {"http": self.http_url, "ssh": self.ssh_url, "pid": os.getpid()}
        file = self.core.config.data / "run" / "ready.json"
        temporary = file.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(ready))
        temporary.rename(file)

    def apply(self, config: Config) -> None:
        """Take up the changed settings that need no restart."""
        config = with_live(self.core.config, config)
        self.core.apply(config)
        set_level(config.log_level)

    async def stop(self) -> None:
        """Accept nothing new, let what is in flight finish for a time, then end it."""
        grace = self.core.config.shutdown_grace
        self.core.stopping = True
        Notifier().stopping()
        with contextlib.suppress(FileNotFoundError):
            (self.core.config.data / "run" / "ready.json").unlink()
        # Sockets of a service manager stay open there: who comes now waits for the next daemon.
        if self._ssh is not None:
            self._ssh.close()
        for http_site in self._sites:
            await http_site.stop()
        if self._control is not None:
            await self._control.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.gather(
            ending.drain(self._runner, grace) if self._runner else asyncio.sleep(0),
            self._ssh.drain(grace) if self._ssh else asyncio.sleep(0),
            self.core.tasks.drain(grace),
        )
        if self._runner is not None:
            await self._runner.cleanup()
        await dismantle(self.core)
