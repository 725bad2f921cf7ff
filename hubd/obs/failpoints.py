"""Named points where a test may kill the daemon, fill its disk or hold it up.

Each name is a promise of ``docs/durability.md``: whatever happens there, nothing that was
acknowledged is lost and nothing is half-done after the next start. A point does nothing unless,
when the daemon starts, ``HUBD_TESTING`` is 1 and ``HUBD_FAILPOINTS`` names it, as in
``push.after_intent=kill,push.before_finish=sleep:0.5,repo.after_row=enospc``.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import signal
import time
from collections.abc import Mapping

from hubd.errors import Bug, Invalid

FAILPOINTS: dict[str, str] = {
    "push.before_intent": "The checks have passed; no record is written and no ref moves.",
    "push.after_intent": "The intent is on disk; no verdict is sent, so git moves no ref.",
    "push.before_verdict": "The intent is on disk and git waits; the next start drops it.",
    "push.after_verdict": "git may be moving refs; the next start compares them with the intent.",
    "push.before_finish": "The refs have moved; the next start finishes the record.",
    "push.after_finish": "The record is committed; it stands, even if the client never hears.",
    "repo.after_row": "The row is there; its directory is made when it is first needed.",
    "repo.after_dir": "Row and directory are there; the repository works.",
    "repo.rename.before_commit": "Nothing has changed; the old address works.",
    "repo.delete.after_row": "The repository is in the trash and can be restored.",
    "fetch.cache.before_rename": "The stored answer is a stray file that the next start removes.",
    "blobs.before_rename": "The bytes are whole but nameless; they are sent again or swept.",
    "lfs.before_link": "The object is stored but nobody has it; it is sent again or collected.",
    "collect.after_mark": "What is needed is known and nothing is removed; it is found again.",
    "collect.before_bytes": "No row names the bytes any more; the next collection takes them.",
    "xet.before_xorb_row": "The chunks are stored but not known; they are sent again.",
    "xet.before_file_row": "The chunks are known, no file is; its shard is sent again.",
}

_armed: dict[str, str] = {}


def arm(environ: Mapping[str, str]) -> None:
    """Take up what the environment asks for; raises ``Invalid`` for an unknown point or effect."""
    _armed.clear()
    if environ.get("HUBD_TESTING") != "1":
        return
    for part in filter(None, environ.get("HUBD_FAILPOINTS", "").split(",")):
        name, _, effect = part.strip().partition("=")
        if name not in FAILPOINTS:
            raise Invalid(f"HUBD_FAILPOINTS: there is no point {name!r}.")
        if effect not in {"kill", "enospc"} and not _is_sleep(effect):
            raise Invalid(f"HUBD_FAILPOINTS: {name} must be kill, enospc or sleep:SECONDS.")
        _armed[name] = effect


def _is_sleep(effect: str) -> bool:
    kind, _, seconds = effect.partition(":")
    try:
        return kind == "sleep" and math.isfinite(float(seconds)) and float(seconds) >= 0
    except ValueError:
        return False


def _strike(name: str) -> float:
    """Kill or fail here if that is asked for, else say how many seconds to wait."""
    if name not in FAILPOINTS:
        raise Bug("A fail point has no promise.", details={"failpoint": name})
    effect = _armed.get(name)
    if effect is None:
        return 0.0
    if effect == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if effect == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return float(effect.partition(":")[2])


def fail(name: str) -> None:
    """Do what a test asked for at this point, in a thread; nothing otherwise."""
    seconds = _strike(name)
    if seconds:
        time.sleep(seconds)


async def afail(name: str) -> None:
    """Do what a test asked for at this point, on the event loop; nothing otherwise."""
    seconds = _strike(name)
    if seconds:
        await asyncio.sleep(seconds)


# Read once, when the daemon loads its code: nobody can arm a point in one that runs.
arm(os.environ)
