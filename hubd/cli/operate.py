"""How a command reaches the hub: through the running daemon, else in this process."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from hubd import app, control
from hubd.config import Config, load
from hubd.errors import Invalid

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
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
    file = config_file or _default_file()
    return load(file, overrides={"data_dir": data_dir, **(overrides or {})})


def _default_file() -> Path | None:
    named = os.environ.get("HUBD_CONFIG")
    return Path(named) if named else None


def operate(config: Config, op: str, **args: Any) -> Any:
    """Do an administrator's operation, daemon running or not; raises ``HubError``."""
    return asyncio.run(_operate(config, op, args))


async def _operate(config: Config, op: str, args: dict[str, Any]) -> object:
    socket = config.data / "run" / "control.sock"
    try:
        return await control.ask(socket, op, args)
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
            return await control.perform(core, op, args)
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
