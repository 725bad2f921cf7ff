"""Where the blobs lie, written down: settings can name another place before all has moved there."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hubd.config import Config
from hubd.errors import Conflict, Invalid


class Place(msgspec.Struct, frozen=True):
    """``at``: where new blobs go; ``moving_from``: where some still are, while a move lasts."""

    at: str
    moving_from: str = ""


def named(config: Config, store: str = "") -> str:
    """What a place is called; ``store``: ``local`` or ``s3`` instead of the setting."""
    if (store or config.blob_store) == "s3":
        return f"s3:{config.s3_bucket}/{config.s3_prefix}"
    return "local, encrypted" if config.blob_key_file else "local"


def store_of(name: str) -> str:
    """``local`` or ``s3``: what the settings call such a place."""
    return name.partition(":")[0].partition(",")[0]


def settle(config: Config) -> tuple[Place, bool]:
    """The place as the settings have it, and whether a move to it begins now; nothing is written.

    Raises ``Conflict`` where blobs lie in a place that these settings do not reach.
    """
    now, known = named(config), read(config)
    if known is None or known.at == now:
        place = known or Place(now)
        if place.moving_from:
            _require(config, place.moving_from)
        return place, False
    if known.moving_from:
        back = store_of(known.at)
        raise Conflict(
            f"Large files are on their way from {known.moving_from} to {known.at}.",
            hint=f'Set blob_store = "{back}" and finish it: hubd store migrate --to {back}',
        )
    if store_of(known.at) == store_of(now):
        raise Conflict(
            f"The large files are in {known.at}, and the settings name {now}.",
            hint="Set it back; hubd store migrate moves files from local to s3 and back.",
        )
    _require(config, known.at)
    return Place(now, known.at), True


def _require(config: Config, name: str) -> None:
    if named(config, store_of(name)) != name:
        raise Conflict(
            f"Large files are still in {name}, which the settings name no more.",
            hint="Set it back until hubd store migrate has moved them.",
        )


def read(config: Config) -> Place | None:
    """What is written; None before the first start."""
    try:
        return msgspec.json.decode(_file(config).read_bytes(), type=Place)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise Invalid(f"{_file(config)} cannot be read: {error}.") from None


def write(config: Config, place: Place) -> None:
    """Write it down, durably."""
    file = _file(config)
    aside = file.with_suffix(".tmp")
    with aside.open("wb") as out:
        out.write(msgspec.json.encode(place))
        out.flush()
        os.fsync(out.fileno())
    aside.rename(file)


def _file(config: Config) -> Path:
    return config.data / "blobs.json"
