"""Commits and refs made by the hub itself (API, web edit, merge): each is a push to itself.

The same ``receive-pack``, the same checks, the same record; git's own compare-and-swap decides who
comes first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hubd.core import accounts, browse, push
from hubd.core.context import Core
from hubd.core.fetch import Reading
from hubd.core.largefiles import AddLarge, Change, as_files
from hubd.errors import (
    Conflict,
    Denied,
    HubError,
    Invalid,
    NotFound,
    Outdated,
    RevisionNotFound,
    SignInNeeded,
)
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
    build_one,
    commit_body,
    tag_body,
)
from hubd.names import is_oid, is_pull_ref
from hubd.types import Actor, RefName, RepoRef

__all__ = [
    "AddFile",
    "AddLarge",
    "Change",
    "Committed",
    "CopyFile",
    "DeleteFile",
    "DeleteFolder",
    "Operation",
]

# How often changes are put on top of a branch that pushes keep moving.
_TRIES = 10
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
    changes: Sequence[Change],
    message: str,
    *,
    branch: str | None = None,
    parent: str | None = None,
    options: Sequence[str] = (),
    must_exist: bool = False,
) -> Committed:
    """Commit to a branch or ``refs/pr/N`` (None: the default branch), as the signed-in author.

    ``parent`` is the commit the caller saw: ``Outdated`` if the branch has moved on; without it the
    changes go on top of whatever is there. With ``must_exist`` only an empty repository gets a new
    branch. Raises ``Refused`` with the findings of the checks.
    """
    if not message.strip():
        raise Invalid("A commit needs a message.")
    reading = await push.admit(core, actor, ref)
    name = branch_ref(branch or reading.repo.default_branch)
    async with core.committing.hold(f"{reading.repo.id} {name}"):
        for attempt in range(_TRIES):
            tip = await _tip(core, reading, name, parent, must_exist=must_exist)
            try:
                return await _commit(core, reading, name, tip, changes, message, options)
            except Outdated:
                # A push came in between.
                if parent is not None or attempt == _TRIES - 1:
                    raise
    raise AssertionError


def branch_ref(name: str) -> RefName:
    """The full name of a branch, or of a pull request's ref given in full."""
    if is_pull_ref(name):
        return RefName.parse(name)
    return RefName.branch(name.removeprefix("refs/heads/"))


async def _tip(
    core: Core, reading: Reading, name: RefName, parent: str | None, *, must_exist: bool
) -> str | None:
    refs = await core.refs.get(reading.path)
    tip = refs.oid_of(name)
    if tip is None and must_exist and refs.names:
        raise RevisionNotFound(f"There is no branch {name.short!r} here.")
    if parent is not None and parent != (tip or ""):
        raise _moved(name)
    return tip


async def _commit(
    core: Core,
    reading: Reading,
    name: RefName,
    tip: str | None,
    changes: Sequence[Change],
    message: str,
    options: Sequence[str],
) -> Committed:
    person = await person_of(core, reading.actor)
    operations = await as_files(core, reading.actor, reading.repo, tip, changes)
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


async def squash(core: Core, actor: Actor, ref: RepoRef, branch: str, message: str) -> Committed:
    """Replace a branch's history by one commit with the same files; the checks judge it."""
    reading = await push.admit(core, actor, ref)
    name = branch_ref(branch)
    tip = await _tip(core, reading, name, None, must_exist=True)
    tree = await (await core.objects.batch(reading.path)).tree_of(tip) if tip else None
    if tip is None or tree is None:
        raise RevisionNotFound(f"There is no branch {name.short!r} here.")
    person = await person_of(core, actor)
    body = commit_body(tree, [], person, person, message)
    with await build_one(core.git, "commit", body, reading.repo.object_format, tree) as pack:
        await push_moves(core, reading, [Move(name, tip, pack.oid)], (), pack)
        return Committed(pack.oid, str(name), tip)


async def create_branch(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    branch: str,
    *,
    start: str | None = None,
    overwrite: bool = False,
) -> str:
    """Make a branch at a revision (None: the default branch); the commit it stands at."""
    name = RefName.branch(branch)
    reading = await push.admit(core, actor, ref)
    oid = (await browse.at(core, actor, ref, start)).commit
    old = (await core.refs.get(reading.path)).oid_of(name)
    if old is not None and not overwrite:
        raise Conflict(f"The branch {branch!r} exists already.")
    if old != oid:
        await push_moves(core, reading, [Move(name, old or _zero(oid), oid)], ())
    return oid


async def create_tag(
    core: Core, actor: Actor, ref: RepoRef, tag: str, *, start: str | None, message: str = ""
) -> str:
    """Tag a revision, with a tag object if there is a message; the commit it leads to."""
    name = RefName.tag(tag)
    reading = await push.admit(core, actor, ref)
    oid = (await browse.at(core, actor, ref, start)).commit
    if (await core.refs.get(reading.path)).oid_of(name) is not None:
        raise Conflict(f"The tag {tag!r} exists already.")
    if not message.strip():
        await push_moves(core, reading, [Move(name, _zero(oid), oid)], ())
        return oid
    body = tag_body(oid, tag, await person_of(core, actor), message)
    with await build_one(core.git, "tag", body, reading.repo.object_format) as pack:
        await push_moves(core, reading, [Move(name, _zero(oid), pack.oid)], (), pack)
    return oid


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
        raise RevisionNotFound(f"There is no ref {name!r}.")
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


def _moved(ref: str) -> Outdated:
    return Outdated(
        f"{ref.removeprefix('refs/heads/')} has changed meanwhile.",
        hint="Look at the newer commit and try again.",
    )


async def push_moves(
    core: Core,
    reading: Reading,
    moves: Sequence[Move],
    options: Sequence[str],
    pack: Pack | None = None,
    *,
    merging: tuple[int, str] | None = None,
) -> None:
    """Feed ``receive-pack`` and turn its report into an error or nothing.

    Returns when the record is committed, so that who is told "done" can rely on it.
    """
    async with push.receive(core, reading, "", stateless=True, merging=merging) as running:
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
