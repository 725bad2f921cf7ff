"""Work that is due by itself: repacking after pushes, the trash, old sessions, the pack cache."""

from __future__ import annotations

import asyncio
import time

import structlog

from hubd.core import deliveries, leftovers, maintenance, trash
from hubd.core.context import Core
from hubd.errors import HubError
from hubd.lfs import multipart
from hubd.lfs.collect import collect
from hubd.store import oauth, sessions

log = structlog.get_logger()
_ROUND_SECONDS = 30.0
_HOURLY = 3600.0
_FIRST_COLLECTION = 600.0


async def housekeeping(core: Core) -> None:
    """Runs as long as the daemon; a failed round is logged and the next one comes."""
    last_hourly = 0.0
    began, is_swept = time.time(), False
    while True:
        try:
            is_swept = is_swept or await leftovers.sweep(core, began)
            await asyncio.sleep(_ROUND_SECONDS)
            await maintenance.due(core)
            if time.monotonic() - last_hourly > _HOURLY:
                last_hourly = time.monotonic()
                await leftovers.sweep(core, time.time() - _HOURLY)
                await trash.purge(core)
                await core.store.write(sessions.sweep)
                await core.store.write(oauth.sweep)
                await deliveries.sweep(core)
                await multipart.sweep(core.lfs)
                await core.packs.sweep()
        except (HubError, OSError) as error:
            log.error("housekeeping.failed", reason=str(error))
            await asyncio.sleep(_ROUND_SECONDS)


async def collecting(core: Core) -> None:
    """Takes large files that nobody needs, now and then; apart from the rest, as it may be long."""
    wait = _FIRST_COLLECTION
    while True:
        await asyncio.sleep(wait)
        wait = core.config.collect_hours * _HOURLY
        try:
            await collect(core.lfs, core.git, core.repos_dir)
        except (HubError, OSError) as error:
            log.error("collecting.failed", reason=str(error))
