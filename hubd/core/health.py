"""Whether the hub can do its work right now."""

from __future__ import annotations

import asyncio
import os

from hubd.blobs.base import Key
from hubd.core.context import Core
from hubd.errors import HubError

_LEAST_FREE = 100 * 1024 * 1024
_PATIENCE = 2.0
_NOBODYS = Key.object("0" * 64)


async def faults(core: Core) -> list[str]:
    """What stands in the way, a sentence each; none means ready."""
    found: list[str] = []
    try:
        await core.store.ping()
    except HubError as error:
        found.append(error.sentence)
    disk = await asyncio.to_thread(os.statvfs, core.config.data)
    if disk.f_bavail * disk.f_frsize < _LEAST_FREE:
        found.append("The data directory has less than 100 MiB left.")
    return found


async def lacks(core: Core) -> list[str]:
    """What cannot be done though the hub is ready: Git goes on while large files cannot be had."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await core.lfs.blobs.stat(_NOBODYS)
    except (HubError, TimeoutError):
        return ["Large files cannot be had: the object store does not answer."]
    return []
