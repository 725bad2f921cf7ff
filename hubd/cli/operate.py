"""How a command reaches the hub: through the running daemon, else in this process."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from hubd import app, control
from hubd.config import Config, load
from hubd.errors import Invalid

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
TYPES = ("model", "dataset", "space", "code")
F = TypeVar("F", bound=Callable[..., Any])


def place_options(command: F) -> F:
    """``--config`` and ``--data-dir``, the same for every command."""
    command = click.option(
        "--data-dir", type=click.Path(file_okay=False), help="Folder of the hub's data."
    )(command)
    return click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="TOML file of settings.",
    )(command)


def settings_of(
    config_file: Path | None,
    data_dir: str | None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """The settings a command works with."""
    file = config_file or default_file()
    environ = {**_beside(file), **os.environ} if file else os.environ
    return load(file, environ, {"data_dir": data_dir, **(overrides or {})})


def default_file() -> Path | None:
    """The settings file where none is named: ``HUBD_CONFIG``, else the installation's own."""
    named = os.environ.get("HUBD_CONFIG")
    if named:
        return Path(named)
    installed = Path(sys.prefix) / "etc" / "hubd.toml"
    return installed if installed.exists() else None


def _beside(file: Path) -> dict[str, str]:
    """``hubd.env`` next to the settings: what the service gets from it, commands need too."""
    env = file.resolve().with_name("hubd.env")
    try:
        lines = env.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        if "INVOCATION_ID" in os.environ:
            return {}  # the service manager has read it for us, with root's eyes
        raise Invalid(
            f"{env} cannot be read: {error.strerror}.", hint="Run as root or as the hub's user."
        ) from error
    pairs = (line.strip().partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): _unquoted(value.strip()) for name, found, value in pairs if found}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def become_owner(config: Config) -> None:
    """Root becomes the user that owns the data: files of root's would lock the daemon out."""
    if os.geteuid() != 0 or not config.data.exists():
        return
    owner = config.data.stat()
    if owner.st_uid == 0:
        return
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def operate(config: Config, op: str, **args: Any) -> Any:
    """Do an administrator's operation, daemon running or not; raises ``HubError``."""
    become_owner(config)
    return asyncio.run(_operate(config, op, args, _Progress()))


def do(context: click.Context, op: str, **args: Any) -> Any:
    """As ``operate``, with the settings that the group's options name."""
    config_file, data_dir = context.obj
    return operate(settings_of(config_file, data_dir), op, **args)


def repo_words(words: tuple[str, ...], rest: int = 0) -> tuple[str, str, tuple[str, ...]]:
    """``[TYPE] NS/NAME …`` to type, repo and what follows; TYPE left out means model."""
    kind = "model"
    if words and words[0] in TYPES:
        kind, words = words[0], words[1:]
    if len(words) != 1 + rest:
        raise Invalid("Name a repository as [TYPE] NS/NAME.", hint="See --help.")
    return kind, words[0], words[1:]


class _Progress:
    """Says on standard error how far it is, not more often than one can read."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 1
            print(text, file=sys.stderr)


async def _operate(config: Config, op: str, args: dict[str, Any], say: _Progress) -> object:
    socket = config.data / "run" / "control.sock"
    try:
        return await control.ask(socket, op, args, say)
    except (FileNotFoundError, ConnectionRefusedError):
        pass  # no daemon runs
    except PermissionError:
        raise Invalid(
            f"You may not open {socket}.", hint="Run as the user that runs the daemon."
        ) from None
    lock = app.Lock(config.data)
    try:
        core = await app.build(config)
        try:
            return await control.perform(core, op, args, say)
        finally:
            await app.dismantle(core)
    finally:
        lock.release()


def parse_duration(text: str | None) -> float | None:
    """``30d``, ``12h``, ``1s`` to seconds; raises ``Invalid``."""
    if text is None:
        return None
    match = re.match(r"(\d{1,9})([smhdw])\Z", text)
    if not match:
        raise Invalid(f"{text!r} is not a duration.", hint="Write 30d, 12h or 90s.")
    return int(match[1]) * _UNITS[match[2]]
