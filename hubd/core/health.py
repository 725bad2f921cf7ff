"""Whether the hub can do its work right now."""

from __future__ import annotations

import asyncio
import os

from hubd.core.context import Core
from hubd.errors import HubError

_LEAST_FREE = 100 * 1024 * 1024


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
