"""The lock of a repository: pushes share it, recovery and pruning own it.

``git receive-pack`` inherits the shared lock, so it stays held while an orphan of a killed daemon
still runs.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from hubd.errors import Unavailable
from hubd.procs import process_started

LOCK_FILE = "hubd.lock"


def share_lock(path: Path) -> int:
    """A descriptor that holds the lock with others. Blocking."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def try_own_lock(path: Path) -> int | None:
    """A descriptor that holds the lock alone, or None if somebody has it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def own_lock(path: Path, groups: Sequence[tuple[int, float]], wait: float) -> int:
    """A descriptor that holds the lock alone. Blocking.

    ``groups`` are process groups of an earlier daemon's pushes with their start times; they are
    ended. Raises ``Unavailable`` after ``wait`` seconds.
    """
    descriptor = _open(path)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise Unavailable("A push to this repository is still running.") from None
            for group, began in groups:
                # The number may belong to somebody else by now: the start time tells.
                if process_started(group) == began:
                    os.killpg(group, signal.SIGKILL)
            time.sleep(0.05)
        else:
            return descriptor


def _open(path: Path) -> int:
    return os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
