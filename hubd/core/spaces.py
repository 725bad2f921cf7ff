"""What Spaces run with, and how they are wanted to run; nothing runs them yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.repos import Found
from hubd.errors import Conflict, Invalid, NotFound
from hubd.store import audit, spaces
from hubd.store.engine import Connection
from hubd.store.spaces import Value, Wish
from hubd.types import Actor, RepoAction, RepoRef, RepoType

MAX_VALUE = 32 * 1024
MAX_DESCRIPTION = 500
NO_RUNNER = "This hub has no runner for Spaces: it keeps what they want, and runs nothing."
_MOST_VALUES = 200
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")
_HARDWARE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_NEVER = -1
_LONGEST_SLEEP = 366 * 86400


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a Space stands: ``stage`` in the Hub's words, what is wanted, and why it is so."""

    stage: str
    wanted: Wish
    reason: str


async def _space(core: Core, actor: Actor, ref: RepoRef, action: RepoAction) -> Found:
    found = await repos.find(core, actor, ref, action)
    if ref.type is not RepoType.SPACE:
        raise Invalid("Only a Space runs.")
    return found


async def runtime(core: Core, actor: Actor, ref: RepoRef) -> Runtime:
    """How a Space stands."""
    found = await _space(core, actor, ref, RepoAction.READ)
    async with core.store.read() as conn:
        wanted = await spaces.wish(conn, found.repo.id)
    return Runtime("PAUSED" if wanted.paused else "STOPPED", wanted, NO_RUNNER)


async def want(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    *,
    hardware: str | None = None,
    sleep_seconds: int | None = None,
    paused: bool | None = None,
) -> Runtime:
    """Say how a Space is to run; None leaves as it is."""
    found = await _space(core, actor, ref, RepoAction.RUN_SPACE)
    changes: dict[str, object] = {}
    if hardware is not None:
        if not _HARDWARE.match(hardware):
            raise Invalid("This is not the name of hardware.")
        changes["hardware"] = hardware
    if sleep_seconds is not None:
        if sleep_seconds != _NEVER and not 0 < sleep_seconds <= _LONGEST_SLEEP:
            raise Invalid("The sleep time is a number of seconds, or -1 for never.")
        changes["sleep_seconds"] = sleep_seconds
    if paused is not None:
        changes["paused"] = paused

    async def work(conn: Connection) -> None:
        before = await spaces.wish(conn, found.repo.id)
        after = msgspec.structs.replace(before, **changes)
        await spaces.set_wish(conn, found.repo.id, after)
        await audit.add(conn, actor, "space.want", found.repo.ref.path, changes)

    await core.store.write(work)
    return await runtime(core, actor, found.repo.ref)


async def values(core: Core, actor: Actor, ref: RepoRef, *, secret: bool) -> Sequence[Value]:
    """The variables of a Space, or its secrets, which have no value for anybody."""
    found = await _space(core, actor, ref, RepoAction.RUN_SPACE)
    async with core.store.read() as conn:
        rows = await spaces.values(conn, found.repo.id, secret=secret)
    return [msgspec.structs.replace(row, value="") for row in rows] if secret else rows


async def put(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    key: str,
    value: str,
    description: str = "",
    *,
    secret: bool,
) -> None:
    """Set a variable or secret; raises ``Conflict`` if the other kind has its name."""
    found = await _space(core, actor, ref, RepoAction.RUN_SPACE)
    if not _KEY.match(key):
        raise Invalid("A name has letters, digits and underscores, at most 200, no digit first.")
    if len(value) > MAX_VALUE or "\0" in value:
        raise Invalid(f"A value has at most {MAX_VALUE} characters and no NUL.")
    if len(description) > MAX_DESCRIPTION:
        raise Invalid(f"A description has at most {MAX_DESCRIPTION} characters.")
    repo_id = found.repo.id
    stored = core.sealer.seal(value, context(repo_id, key)) if secret else value

    async def work(conn: Connection) -> None:
        if await spaces.count(conn, repo_id) >= _MOST_VALUES:
            raise Conflict(f"A Space has at most {_MOST_VALUES} variables and secrets.")
        await spaces.put(conn, repo_id, key, stored, description, secret=secret)
        details = {"key": key, "secret": secret}
        await audit.add(conn, actor, "space.set", found.repo.ref.path, details)

    await core.store.write(work)


def context(repo_id: int, key: str) -> str:
    """What a secret is sealed for."""
    return f"space {repo_id} {key}"


async def remove(core: Core, actor: Actor, ref: RepoRef, key: str, *, secret: bool) -> None:
    """Forget a variable or secret; raises ``NotFound``."""
    found = await _space(core, actor, ref, RepoAction.RUN_SPACE)

    async def work(conn: Connection) -> None:
        if not await spaces.remove(conn, found.repo.id, key, secret=secret):
            raise NotFound(f"There is no {'secret' if secret else 'variable'} {key!r}.")
        details = {"key": key, "secret": secret}
        await audit.add(conn, actor, "space.unset", found.repo.ref.path, details)

    await core.store.write(work)
