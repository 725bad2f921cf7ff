"""Pull requests: commits at ``refs/pr/N`` that ask to be merged into a branch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hubd.core import browse, commits, discussions, push, repos
from hubd.core.context import Core
from hubd.core.fetch import Reading
from hubd.core.repos import Found
from hubd.errors import Conflict, Invalid, NotFound
from hubd.git import log as git_log
from hubd.git import merge as git_merge
from hubd.git.diff import Diff
from hubd.git.log import CommitInfo
from hubd.git.push import RefMove
from hubd.hooks.checks import approvals
from hubd.lfs import quota
from hubd.store import discussions as table
from hubd.store import objects, queries, rules
from hubd.store.discussions import Discussion
from hubd.store.engine import Connection
from hubd.types import Actor, RefName, RepoAction, RepoRef

HOW = ("merge", "squash")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a pull request would bring since it parted from its target, and paths in conflict."""

    base: str
    base_oid: str
    head_oid: str
    commits: list[CommitInfo]
    diff: Diff
    conflicts: tuple[str, ...]
    merge_base: str | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a pull request stands, the paths in conflict with its target, and what it waits for."""

    head_oid: str
    has_commits: bool
    conflicts: tuple[str, ...]
    waits: str | None


async def open_pull(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    title: str,
    body: str = "",
    *,
    base: str | None = None,
    head: str | None = None,
) -> Discussion:
    """Ask for a merge into a branch (None: the default).

    The commits are those of ``head``, a branch or commit of the repository; without one the pull
    request starts empty and waits for commits at its ref.
    """
    found = await repos.find(core, actor, ref, RepoAction.DISCUSS)
    repos.require_files(core, found)
    base_ref = RefName.branch(base or found.repo.default_branch)
    refs = await core.refs.get(found.path)
    base_oid = refs.oid_of(base_ref)
    if base_oid is None:
        raise NotFound(f"There is no branch {base_ref.short!r} to ask for a merge into.")
    start = base_oid
    if head is not None:
        start = (await browse.at(core, actor, ref, head)).commit
    pull = await discussions.start(core, actor, found, title, body, base=base_ref)
    async with closed_if_refused(core, actor, ref, pull):
        await _make_ref(core, actor, found, pull, start)
    return pull


@asynccontextmanager
async def closed_if_refused(
    core: Core, actor: Actor, ref: RepoRef, pull: Discussion
) -> AsyncIterator[None]:
    """Around what a new pull request needs: one that fails in it is not left open and empty."""
    try:
        yield
    except BaseException:
        await discussions.set_status(core, actor, ref, pull.num, "closed")
        raise


async def _make_ref(core: Core, actor: Actor, found: Found, pull: Discussion, oid: str) -> None:
    reading = Reading(actor, found.repo, found.path)
    await commits.push_moves(core, reading, [RefMove(pull.ref, "0" * len(oid), oid)], ())


async def tips(core: Core, found: Found, pull: Discussion) -> tuple[str, str]:
    """Where the target and the pull request stand; a request that got no ref stands empty."""
    if not pull.is_pull:
        raise NotFound(f"Number {pull.num} is no pull request.")
    refs = await core.refs.get(found.path)
    base = refs.oid_of(pull.base)
    if base is None:
        raise NotFound(f"The branch {pull.base.removeprefix('refs/heads/')!r} is gone.")
    return base, refs.oid_of(pull.ref) or base


async def changes(core: Core, actor: Actor, ref: RepoRef, num: int) -> Changes:
    """What merging would bring now."""
    found, pull = await discussions.look(core, actor, ref, num, RepoAction.READ)
    base, head = await tips(core, found, pull)
    if pull.merge_oid:
        merged = (await git_log.log(core.git, found.path, pull.merge_oid, limit=1))[0]
        base = merged.parents[0] if merged.parents else base
    compared = await browse.compare(core, actor, ref, base, head)
    conflicts: tuple[str, ...] = ()
    if pull.is_live and compared.ahead_count:
        conflicts = await _conflicts(core, found, base, head)
    return Changes(
        pull.base, base, head, compared.ahead, compared.diff, conflicts, compared.merge_base
    )


async def outlook(core: Core, found: Found, pull: Discussion) -> Outlook:
    """Whether it can be merged now; reads no difference."""
    base, head = await tips(core, found, pull)
    has_commits = not await core.git.is_ancestor(found.path, head, base)
    conflicts: tuple[str, ...] = ()
    if pull.is_live and has_commits:
        conflicts = await _conflicts(core, found, base, head)
    async with core.store.read() as conn:
        needed = approvals.required(await rules.for_repo(conn, found.repo.id), pull.base)
        given = await queries.verdicts(conn, pull.id) if needed else []
    waits = approvals.missing(given, needed, head) if needed else None
    return Outlook(head, has_commits, conflicts, waits)


async def _conflicts(core: Core, found: Found, base: str, head: str) -> tuple[str, ...]:
    """The paths in conflict; git merges two commits once, however many people look."""
    known, key = core.objects.known, f"merge {base} {head}"
    async with core.committing.hold(f"{found.repo.id} {key}"):
        merged = known.get(found.path, key, git_merge.Merge)
        if merged is None:
            merged = await git_merge.try_merge(core.git, found.path, base, head)
            known.put(found.path, key, merged, 1 + len(merged.conflicts))
    return merged.conflicts


async def merge(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    num: int,
    *,
    how: str = "merge",
    message: str = "",
    options: tuple[str, ...] = (),
) -> str:
    """Bring the commits into the target, through the same checks as any push; the new commit.

    Safe to repeat: what is in the target already is only recorded. Raises ``Conflict`` with the
    paths, ``Refused`` with the findings.
    """
    if how not in HOW:
        raise Invalid("A pull request is merged by merge or squash.")
    found, pull = await discussions.look(core, actor, ref, num, RepoAction.PUSH)
    if not pull.is_pull:
        raise NotFound(f"Number {num} is no pull request.")
    if not pull.is_live:
        raise Conflict(f"This pull request is {pull.status}.")
    base, head = await tips(core, found, pull)
    if base == head:
        raise Conflict("This pull request has no commits.")
    if await core.git.is_ancestor(found.path, head, base):
        return await _merged(core, actor, pull, base)
    reading = await push.admit(core, actor, ref)
    text = message or f"Merge pull request #{num}: {pull.title}"
    person = await commits.person_of(core, actor)
    async with git_merge.merge_commit(
        core.git, found.path, base, head, text, person, squash=how == "squash"
    ) as (result, pack):
        if pack is None:
            named = ", ".join(result.conflicts[:20])
            raise Conflict(
                f"It conflicts with {pull.base.removeprefix('refs/heads/')} in {named}.",
                hint="Merge the branch into the pull request and solve the conflicts.",
            )
        move = RefMove(pull.base, base, pack.oid)
        await quota.require_room_for_guest(core.lfs, found.repo, pull.author_id)
        await commits.push_moves(core, reading, [move], options, pack, merging=(num, head))
        return await _merged(core, actor, pull, pack.oid)


async def _merged(core: Core, actor: Actor, pull: Discussion, oid: str) -> str:
    author = discussions.account(actor)

    async def work(conn: Connection) -> None:
        await table.change(conn, pull.id, status=table.MERGED, merge_oid=oid)
        # The files are the repository's now.
        await objects.charge_repo(conn, pull.repo_id, pull.author_id)
        data = {"status": table.MERGED, "oid": oid}
        await table.record(conn, pull.id, table.STATUS, author, data=data)

    await core.store.write(work)
    return oid
