"""``hubd doctor``: what stands in the hub's way on this machine, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from hubd import procs
from hubd.cli.operate import become_owner, place_options, settings_of
from hubd.config import Config, parse_listen
from hubd.errors import HubError
from hubd.store.engine import Store

_GIT = (2, 39)
_LFS = (3, 0)
_LEAST_FREE = 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    ok: bool
    text: str
    fix: str = ""


@click.command()
@place_options
def doctor(config_file: Path | None, data_dir: str | None) -> None:
    """Check programs, directories, database, clock and ports; fails if something is wrong."""
    config = settings_of(config_file, data_dir)
    become_owner(config)
    checks = [*_programs(), *_clock(), *_directories(config)]
    if _may_enter(config) or not config.data.exists():
        checks += [*_database(config), *_ports(config)]
    for check in checks:
        print(f"{'ok  ' if check.ok else 'FAIL'} {check.text}")
        if not check.ok and check.fix:
            print(f"       -> {check.fix}")
    wrong = sum(not check.ok for check in checks)
    if wrong:
        print(f"hubd: {wrong} of {len(checks)} checks failed.", file=sys.stderr)
        sys.exit(1)


def _programs() -> Iterator[Check]:
    for name, arguments, least, package in (
        ("git", ["git", "version"], _GIT, "git"),
        ("git-lfs", ["git-lfs", "version"], _LFS, "git-lfs"),
    ):
        fix = f"Install it: apt-get install {package}"
        if shutil.which(name) is None:
            yield Check(False, f"{name} is not installed", fix)
            continue
        out = asyncio.run(_output(arguments))
        match = re.search(r"(\d+)\.(\d+)", out)
        version = (int(match[1]), int(match[2])) if match else (0, 0)
        wanted = ".".join(map(str, least))
        text = f"{name} {'.'.join(map(str, version))} (at least {wanted})"
        yield Check(version >= least, text, fix)


async def _output(argv: list[str]) -> str:
    env = {"PATH": os.environ.get("PATH", os.defpath)}
    return (await procs.run(argv, env=env, timeout=20)).out.decode("utf-8", "replace")


def _may_enter(config: Config) -> bool:
    return os.access(config.data, os.W_OK | os.X_OK)


def _directories(config: Config) -> Iterator[Check]:
    data = config.data
    if not data.exists():
        parent = next(folder for folder in data.parents if folder.exists())
        yield Check(
            os.access(parent, os.W_OK),
            f"data directory {data} will be made at the first start",
            f"Give {parent} to the user that runs hubd, or set data_dir.",
        )
        return
    fix = f"chown it to the user that runs hubd: {data}"
    yield Check(_may_enter(config), f"data directory {data} is writable", fix)
    if not _may_enter(config):
        return
    private = not data.stat().st_mode & 0o007
    yield Check(private, "data directory is closed to others", f"chmod o= {data}")
    keys = list((data / "ssh").glob("ssh_host_*_key")) if (data / "ssh").exists() else []
    open_keys = [key for key in keys if key.stat().st_mode & 0o077]
    yield Check(not open_keys, "SSH host keys are private", f"chmod 600 {data}/ssh/*_key")
    free = shutil.disk_usage(data).free
    text = f"{free / 1024**3:.1f} GiB free for data"
    yield Check(free > _LEAST_FREE, text, "Make room or move data_dir to a larger disk.")


def _database(config: Config) -> Iterator[Check]:
    if not config.database_url and not (config.data / "hubd.db").exists():
        yield Check(True, "database will be made at the first start")
        return
    try:
        now, newest = asyncio.run(_revision(config))
    except HubError as error:
        yield Check(False, f"database: {error.message}", error.hint or "See database_url.")
        return
    fix = "Start the daemon: it brings the database up to date."
    if now is not None and now > newest:
        fix = "A newer hubd wrote it: install that version or a later one."
    yield Check(now == newest, f"database revision {now} (program: {newest})", fix)


async def _revision(config: Config) -> tuple[str | None, str]:
    store = await Store.open(config.sqlalchemy_url)
    try:
        return await store.revision()
    finally:
        await store.close()


def _clock() -> Iterator[Check]:
    sane = time.time() > 1_700_000_000  # noqa: PLR2004
    yield Check(sane, "clock is plausible", "Set the clock; tokens and links expire by it.")


def _ports(config: Config) -> Iterator[Check]:
    if (config.data / "run" / "ready.json").exists():
        yield Check(True, "ports: the daemon runs")
        return
    for name in ("http_listen", "ssh_listen"):
        listen = getattr(config, name)
        if not listen:
            continue
        host, port = parse_listen(listen, name)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
                free = True
            except OSError:
                free = False
        yield Check(free, f"{name} {listen} is free", "Stop what uses it or choose another port.")
