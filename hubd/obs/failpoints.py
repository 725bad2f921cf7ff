"""Named points where a test may kill the daemon, fill the disk or stop the clock.

Each name is a promise of ``docs/durability.md``: whatever happens there, nothing is lost or
half-applied. They do nothing unless ``HUBD_TESTING=1`` and ``HUBD_FAILPOINTS`` name them, as in
``push.after_intent=kill,push.before_finish=sleep:0.5,repo.after_row=enospc``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal

FAILPOINTS: dict[str, str] = {
    "push.before_intent": "The checks have passed; nothing is written, no ref has moved.",
    "push.after_intent": "The intent is written; git has no verdict and moves nothing.",
    "push.after_verdict": "git may be moving refs; the start compares intent and refs.",
    "push.before_finish": "The refs have moved; the start finishes the record.",
    "push.after_finish": "The record is committed; the client may or may not know.",
    "repo.after_row": "The row is there; the directory is made when first needed.",
    "repo.after_dir": "Row and directory are there.",
    "repo.rename.before_commit": "Nothing has changed.",
    "repo.delete.after_row": "The repository is in the trash.",
    "fetch.cache.before_rename": "A half-written answer; the start removes it.",
}


def _parse(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, _, effect = part.partition("=")
        if name not in FAILPOINTS:
            raise ValueError(f"HUBD_FAILPOINTS: there is no point {name!r}")
        found[name] = effect
    return found


_armed = (
    _parse(os.environ.get("HUBD_FAILPOINTS", "")) if os.environ.get("HUBD_TESTING") == "1" else {}
)


async def afail(name: str) -> None:
    """Do here what a test asked for; nothing otherwise."""
    assert name in FAILPOINTS, name  # noqa: S101
    effect = _armed.get(name)
    if effect is None:
        return
    if effect == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif effect == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    elif effect.startswith("sleep:"):
        await asyncio.sleep(float(effect.removeprefix("sleep:")))
