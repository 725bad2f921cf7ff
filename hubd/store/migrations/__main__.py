"""Migrate the database of ``HUBD_MIGRATE_URL`` and end; one line on failure."""

from __future__ import annotations

import asyncio
import os
import sys

from hubd.errors import HubError
from hubd.store.engine import Store
from hubd.store.migrations import URL_VARIABLE


async def main() -> int:
    """The exit status."""
    store = await Store.open(os.environ[URL_VARIABLE])
    try:
        await store.migrate()
    except HubError as error:
        print(error.sentence, file=sys.stderr)  # noqa: T201
        return 1
    finally:
        await store.close()
    return 0


sys.exit(asyncio.run(main()))
