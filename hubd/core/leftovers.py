"""What killed git processes leave behind in repositories: lock files and half-written ones.

Only found under the repository's lock held alone, when no push runs, and older than this daemon, so
that its own maintenance is not disturbed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import structlog

from hubd.core.context import Core
from hubd.core.locks import LOCK_FILE, try_own_lock

log = structlog.get_logger()
_LOCKS = ("*.lock", "refs/**/*.lock", "objects/info/**/*.lock", "objects/pack/*.lock")
_QUARANTINE = "objects/tmp_objdir-*"
_TEMPORARY = (
    _QUARANTINE,
    "objects/??/tmp_obj_*",
    "objects/info/**/tmp_*",
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    # While this one is there, git neither packs refs nor deletes one that is packed.
    "packed-refs.new",
    "shallow_*",
)


async def sweep(core: Core, before: float) -> bool:
    """Look through all repositories; returns whether none was in use, so that all is done."""
    paths = await asyncio.to_thread(lambda: sorted(core.repos_dir.glob("*/*.git")))
    done = True
    for path in paths:
        done &= await asyncio.to_thread(sweep_repo, path, before)
    return done


def sweep_repo(path: Path, before: float) -> bool:
    """Remove what was left before a moment; False if a push holds the repository. Blocking."""
    if not any(_stale(path, before)):
        return True
    lock = try_own_lock(path)
    if lock is None:
        return False
    try:
        remove(path, before)
    finally:
        os.close(lock)
    return True


def drop_quarantine(path: Path) -> None:
    """Remove what a push that was ended had received, unless another one runs. Blocking.

    git does it itself on SIGTERM, but its children may write once more while it does.
    """
    if not any(path.glob(_QUARANTINE)):
        return
    lock = try_own_lock(path)
    if lock is None:
        return
    try:
        for folder in path.glob(_QUARANTINE):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def remove(path: Path, before: float) -> None:
    """Remove them; the caller holds the repository's lock alone. Blocking."""
    for file in list(_stale(path, before)):
        log.warning("leftovers.removed", file=str(file.relative_to(path.parent)))
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


def _stale(path: Path, before: float) -> Iterator[Path]:
    for pattern in (*_LOCKS, *_TEMPORARY):
        for file in path.glob(pattern):
            try:
                is_old = file.stat().st_mtime < before
            except FileNotFoundError:
                continue
            if is_old and file.name != LOCK_FILE:
                yield file
