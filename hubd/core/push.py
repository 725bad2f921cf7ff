"""Pushes: one code path from every transport, API and page into ``git receive-pack``."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from hubd import access
from hubd.core import leftovers, repos
from hubd.core.context import Core
from hubd.core.fetch import Reading
from hubd.core.locks import own_lock, share_lock
from hubd.core.repos import Found
from hubd.errors import Denied, HubError, NotFound, RepoNotFound
from hubd.git.protocol_v2 import render_receive_refs
from hubd.hooks.channel import HookChannel
from hubd.hooks.pipeline import PushSession
from hubd.procs import Child, process_started
from hubd.store import discussions, pushes, queries
from hubd.types import Actor, ActorKind, RepoAction, RepoRef, Visibility

log = structlog.get_logger()
_RECOVERY_WAIT = 10.0


async def admit(core: Core, actor: Actor, ref: RepoRef) -> Reading:
    """Judge a push; creates the repository, private, where the setting and the rules allow.

    The author of an open pull request is let in; the checks keep them to its ref.
    """
    if actor.kind is ActorKind.ANONYMOUS:
        # Nobody pushes without a name, whatever is there: git's first request costs no look-up.
        access.require(access.Verdict.SIGN_IN, repos.DOING[RepoAction.PUSH])
    try:
        found = await repos.find(core, actor, ref, RepoAction.PUSH)
    except NotFound:
        found = await _create_by_push(core, actor, ref)
    except Denied:
        found = await repos.find(core, actor, ref, RepoAction.DISCUSS)
        repos.require_files(core, found)
        async with core.store.read() as conn:
            if not await discussions.has_live_pull(conn, found.repo.id, actor.user_id or 0):
                raise
    path = await repos.ensure_directory(core, found.repo)
    return Reading(actor, found.repo, path)


async def _create_by_push(core: Core, actor: Actor, ref: RepoRef) -> Found:
    """What one may not see stays "not found": only a truly free name in one's reach is made."""
    if not core.config.push_to_create or actor.kind is not ActorKind.USER:
        raise RepoNotFound("Repository not found.")
    async with core.store.read() as conn:
        taken = await queries.repo_access(conn, ref, actor.user_id)
    if taken is not None:
        raise RepoNotFound("Repository not found.")
    try:
        return await repos.create(core, actor, ref, visibility=Visibility.PRIVATE)
    except HubError as error:
        raise RepoNotFound("Repository not found.") from error


async def advertise(core: Core, reading: Reading, protocol: str) -> bytes:
    """The first answer of ``receive-pack`` over HTTP, from the ref cache: no child for it."""
    refs = await core.refs.get(reading.path)
    empty = core.git.receive_advertisement(reading.repo.object_format)
    return render_receive_refs(refs, empty, version_1="version=1" in protocol.split(":"))


class Push:
    """A running ``receive-pack``: the transport feeds and drains ``child``."""

    def __init__(self, child: Child, session: PushSession) -> None:
        self.child = child
        self.session = session


@asynccontextmanager
async def receive(
    core: Core,
    reading: Reading,
    protocol: str,
    *,
    stateless: bool,
    merging: tuple[int, str] | None = None,
) -> AsyncIterator[Push]:
    """Run ``receive-pack`` with its hooks answered; settles the record however it ends.

    ``merging``: the hub merges this pull request, up to this commit of it.
    """
    async with core.limits.push():
        lock = await asyncio.to_thread(share_lock, reading.path)
        channel = HookChannel()
        session = PushSession(reading.actor, reading.repo, reading.path, merging=merging)
        started = time.monotonic()
        try:
            child = await core.git.receive_pack(
                reading.path,
                protocol=protocol,
                stateless=stateless,
                hook_fds=channel.child_fds,
                lock_fd=lock,
            )
        except BaseException:
            channel.close()
            raise
        finally:
            os.close(lock)
        session.process_group = child.pid
        session.process_started = process_started(child.pid)
        await channel.started()
        serving = core.tasks.start(core.pipeline.serve(channel, session), "hooks of a push")
        try:
            yield Push(child, session)
        finally:
            ending = _end(core, child, channel, session, serving, started)
            await core.tasks.finish(ending, "end of a push")


async def _end(
    core: Core,
    child: Child,
    channel: HookChannel,
    session: PushSession,
    serving: asyncio.Task[None],
    started: float,
) -> None:
    """Make sure that git has ended, then that the record says what it did."""
    code = child.returncode
    if code is None:
        # The transport left early: the client is gone or broke the protocol. At the end of its
        # input git removes its quarantine, which it does not when it is killed.
        await child.finish()
        code = child.returncode
        if not session.may_go_on:
            serving.cancel()  # nobody waits for the checks any more
    await asyncio.wait([serving])
    channel.close()
    if code != 0:
        await asyncio.to_thread(leftovers.drop_quarantine, session.path)
    await core.pipeline.settle(session, clean=code == 0)
    result = "accepted" if session.has_moved else "refused"
    core.metrics.pushes_total.labels(session.actor.channel.value, result).inc()
    core.metrics.push_seconds.observe(time.monotonic() - started)


async def history(
    core: Core, actor: Actor, ref: RepoRef, *, before: int | None = None, limit: int = 50
) -> tuple[Sequence[pushes.Push], int | None]:
    """Pushes that were taken, newest first, and the mark of the next page."""
    found = await repos.find(core, actor, ref)
    async with core.store.read() as conn:
        rows = await pushes.page(conn, found.repo.id, before=before, limit=limit + 1)
    more = len(rows) > limit
    return rows[:limit], rows[limit - 1].id if more else None


async def recover(core: Core) -> int:
    """At start: settle every push that an earlier daemon left open; returns how many."""
    async with core.store.read() as conn:
        left = await pushes.open_intents(conn, None)
    count = 0
    for repo_id in sorted({push.repo_id for push in left}):
        path = core.path_of(repo_id)
        groups = [
            (push.process_group, push.process_started)
            for push in left
            if push.repo_id == repo_id and push.process_group
        ]
        lock = await asyncio.to_thread(own_lock, path, groups, _RECOVERY_WAIT)
        try:
            await asyncio.to_thread(leftovers.remove, path, time.time())
            count += await core.pipeline.recover(repo_id, path)
        finally:
            os.close(lock)
    return count
