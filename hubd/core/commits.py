"""Commits and refs made by the hub itself (API, web edit, merge): each is a push to itself.

The same ``receive-pack``, the same checks, the same record; git's own compare-and-swap decides who
comes first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hubd.core import accounts, push
from hubd.core.context import Core
from hubd.core.fetch import Reading
from hubd.errors import Conflict, Denied, HubError, Invalid, NotFound, SignInNeeded
from hubd.git.log import Person
from hubd.git.push import RefMove as Move
from hubd.git.push import Report, push_request, send
from hubd.git.write import (
    AddFile,
    CopyFile,
    DeleteFile,
    DeleteFolder,
    Operation,
    Pack,
    build_commit,
)
from hubd.names import is_oid
from hubd.types import Actor, RefName, RepoRef

__all__ = ["AddFile", "Committed", "CopyFile", "DeleteFile", "DeleteFolder", "Operation"]

_NO_EMAIL = "users.noreply.invalid"


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did: its id, the branch, where the branch stood before (None: nowhere)."""

    oid: str
    ref: str
    old: str | None
    unchanged: bool = False


async def commit(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    operations: Sequence[Operation],
    message: str,
    *,
    branch: str | None = None,
    parent: str | None = None,
    options: Sequence[str] = (),
) -> Committed:
    """Commit to a branch (None: the default), as the signed-in author.

    ``parent`` is the commit the caller saw: ``Conflict`` if the branch has moved on. Raises
    ``Refused`` with the findings of the checks.
    """
    if not message.strip():
        raise Invalid("A commit needs a message.")
    reading = await push.admit(core, actor, ref)
    name = RefName.branch(branch or reading.repo.default_branch)
    refs = await core.refs.get(reading.path)
    tip = refs.oid_of(name)
    if parent is not None and parent != (tip or ""):
        raise _moved(name)
    person = await person_of(core, actor)
    with await build_commit(
        core.git,
        reading.path,
        tip,
        operations,
        message,
        person,
        person,
        object_format=reading.repo.object_format,
    ) as pack:
        if pack.unchanged and tip is not None:
            return Committed(tip, str(name), tip, unchanged=True)
        await push_moves(
            core, reading, [Move(name, tip or _zero(pack.oid), pack.oid)], options, pack
        )
        return Committed(pack.oid, str(name), tip)


async def create_ref(core: Core, actor: Actor, ref: RepoRef, name: str, oid: str) -> None:
    """Make a branch or tag (full name) at a commit of the repository."""
    full = RefName.parse(name)
    if not is_oid(oid):
        raise Invalid("A ref is made at a whole commit id.")
    reading = await push.admit(core, actor, ref)
    if (await core.refs.get(reading.path)).oid_of(full) is not None:
        raise Conflict(f"{full.short!r} exists already.")
    info = await (await core.objects.batch(reading.path)).info(oid)
    if info is None or info.kind not in {"commit", "tag"}:
        raise NotFound(f"There is no commit {oid!r} here.")
    await push_moves(core, reading, [Move(full, _zero(oid), oid)], ())


async def delete_ref(core: Core, actor: Actor, ref: RepoRef, name: str) -> None:
    """Delete a branch or tag, by its full name."""
    reading = await push.admit(core, actor, ref)
    oid = (await core.refs.get(reading.path)).oid_of(name)
    if oid is None:
        raise NotFound(f"There is no ref {name!r}.")
    await push_moves(core, reading, [Move(name, oid, _zero(oid))], ())


async def person_of(core: Core, actor: Actor) -> Person:
    """The author that a commit made here names: the account, never what a client says."""
    if actor.user_id is None:
        raise SignInNeeded("You must sign in to commit.")
    user = await accounts.by_id(core, actor.user_id)
    email = user.email or f"{user.id}+{user.name}@{_NO_EMAIL}"
    return Person(user.full_name or user.name, email, float(int(time.time())))


def _zero(like: str) -> str:
    return "0" * len(like)


def _moved(ref: str) -> Conflict:
    return Conflict(
        f"{ref.removeprefix('refs/heads/')} has changed meanwhile.",
        hint="Look at the newer commit and try again.",
    )


async def push_moves(
    core: Core,
    reading: Reading,
    moves: Sequence[Move],
    options: Sequence[str],
    pack: Pack | None = None,
) -> None:
    """Feed ``receive-pack`` and turn its report into an error or nothing.

    Returns when the record is committed, so that who is told "done" can rely on it.
    """
    async with push.receive(core, reading, "", stateless=True) as running:
        report = await send(running.child, push_request(moves, options, pack))
        await running.child.wait()
    if not report.ok:
        raise _failure(running, report)


def _failure(running: push.Push, report: Report) -> HubError:
    session = running.session
    if session.refused is not None:
        return session.refused
    if session.failure is not None:
        return session.failure
    reasons = [reason for reason in report.refs.values() if reason]
    text = " ".join(reasons)
    if "lock" in text or "already exists" in text or "fetch first" in text or "stale" in text:
        return _moved(next(iter(report.refs)))
    if report.unpack != "ok":
        return Denied(f"git refused the new objects: {report.unpack[:200]}.")
    return Conflict(f"git refused the change: {text[:200]}.")
