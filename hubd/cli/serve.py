"""``hubd serve``: the daemon."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
import structlog
from watchfiles import awatch

from hubd import app
from hubd.cli.operate import become_owner, default_file, place_options, settings_of
from hubd.config import Config, needs_restart
from hubd.core import accounts, credentials
from hubd.core.context import Core
from hubd.errors import HubError
from hubd.obs import failpoints
from hubd.obs.log import setup
from hubd.types import Actor, Scope

log = structlog.get_logger()
_ADMIN = "admin"
Reader = Callable[[], Config]


@click.command()
@place_options
@click.option("--http", "http_listen", help="HOST:PORT for HTTP; port 0 picks one.")
@click.option("--ssh", "ssh_listen", help="HOST:PORT for SSH; port 0 picks one.")
def serve(
    config_file: Path | None,
    data_dir: str | None,
    http_listen: str | None,
    ssh_listen: str | None,
) -> None:
    """Run the hub until SIGTERM."""
    overrides = {"http_listen": http_listen, "ssh_listen": ssh_listen}

    def read() -> Config:
        return settings_of(config_file, data_dir, overrides)

    config = read()
    become_owner(config)
    setup(config)
    failpoints.arm(os.environ)
    if sys.version_info < (3, 12):
        # One thread per child process is what the default costs.
        asyncio.get_event_loop_policy().set_child_watcher(asyncio.PidfdChildWatcher())
    sys.exit(asyncio.run(_serve(config, read, config_file or default_file())))


async def _serve(config: Config, read: Reader, config_file: Path | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lock = app.Lock(config.data)
    try:
        daemon = app.Daemon(await app.build(config))
        try:
            await daemon.start()
            await _first_start(daemon.core, daemon)
            loop.add_signal_handler(signal.SIGHUP, _reload, daemon, read)
            if config_file is not None:
                daemon.keep_running(_watch(daemon, read, config_file), "settings watch")
            await daemon.announce()
            await stop.wait()
            log.info("stop.begun")
        finally:
            await daemon.stop()
        log.info("stop.done")
    finally:
        lock.release()
    return 0


def _reload(daemon: app.Daemon, read: Reader) -> None:
    """Take up a changed file; a bad one is reported and the old settings stay."""
    try:
        config = read()
    except HubError as error:
        log.error("settings.refused", reason=error.sentence)
        return
    waiting = needs_restart(daemon.core.config, config)
    daemon.apply(config)
    log.info("settings.reloaded", needs_restart=waiting)


async def _watch(daemon: app.Daemon, read: Reader, file: Path) -> None:
    async for changes in awatch(file.absolute().parent, recursive=False, debounce=300):
        if any(Path(path).name == file.name for _, path in changes):
            _reload(daemon, read)


async def _first_start(core: Core, daemon: app.Daemon) -> None:
    """Make an administrator on the very first start; only ``make run`` shows the secrets."""
    if await accounts.count(core):
        return
    if os.environ.get("HUBD_MAKE_RUN") != "1":
        log.warning("start.no_accounts", hint="run: hubd admin user add NAME --admin")
        return
    actor = Actor.system()
    password = secrets.token_urlsafe(12)
    await accounts.add_user(
        core, actor, _ADMIN, password=password, is_admin=True, must_change_password=True
    )
    made = await credentials.add_token(core, actor, _ADMIN, name="first start", scope=Scope.ADMIN)
    print(_welcome(daemon, password, made.secret), flush=True)


def _welcome(daemon: app.Daemon, password: str, token: str) -> str:
    url = daemon.http_url
    with_token = url.replace("://", f"://{_ADMIN}:{token}@", 1)
    return f"""
hubd is running. This is shown once:

  web        {url}   (sign in as {_ADMIN} with the one-time password)
  password   {password}
  token      {token}

Paste these to make a repository, push and clone:

  mkdir first && cd first && git init -q -b main
  echo '# Hello' > README.md && git add . && git -c user.name=me -c user.email=me@localhost \\
    commit -qm 'First'
  git push {with_token}/{_ADMIN}/first main
  cd .. && git clone {with_token}/{_ADMIN}/first again

With an SSH key:

  .venv/bin/hubd admin key add {_ADMIN} ~/.ssh/id_ed25519.pub
  git clone {daemon.ssh_url}/{_ADMIN}/first by-ssh
"""
