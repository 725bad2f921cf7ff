"""What the daemon does when git's hooks call: check, decide, and write down what happened.

``pre``: all checks, then an intent row, then the verdict. ``post``: one transaction that holds the
push, its ref moves and their events. If the daemon dies between them, ``recover`` compares the
intents with the refs and finishes or drops them, so each event happens exactly once.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from hubd import access
from hubd.config import Config
from hubd.errors import Bug, Busy, HubError, Invalid, NotFound, Refused, Unavailable
from hubd.git.objects import Batch
from hubd.git.process import Git
from hubd.git.refcache import Flux, RefCache
from hubd.git.refs import read_refs
from hubd.hooks.channel import HookCall, HookChannel
from hubd.hooks.checks import CHECKS
from hubd.hooks.context import PushContext
from hubd.lfs import Lfs
from hubd.names import is_pull_ref
from hubd.obs.failpoints import afail
from hubd.store import audit, discussions, events, pushes, queries, repos, rules
from hubd.store.engine import Connection, Store
from hubd.store.pushes import Push, RefMove
from hubd.store.repos import Repo
from hubd.store.rules import RefRule
from hubd.types import Actor, Finding, Level, RepoAction, Role

log = structlog.get_logger()


@dataclass(eq=False)
class PushSession:
    """One run of ``receive-pack``: who pushes where, and how far it came."""

    actor: Actor
    repo: Repo
    path: Path
    process_group: int = 0
    process_started: float = 0.0
    merging: tuple[int, str] | None = None
    options: tuple[str, ...] = ()
    push_id: int | None = None
    # The verdict is "go on": from here on git may move refs.
    may_go_on: bool = False
    # git says that it has moved refs.
    has_moved: bool = False
    # Nobody listened to git's hooks any more: only the refs tell what it did.
    is_cut: bool = False
    is_settling: bool = False
    recorded: bool = False
    names: frozenset[str] = frozenset()
    # The default branch was there when the checks ran, and this push does not delete it.
    has_default: bool = False
    findings: list[Finding] = field(default_factory=list)
    failure: HubError | None = None
    flux: Flux | None = None

    @property
    def refused(self) -> Refused | None:
        """The refusal with all its reasons, if there was one."""
        reasons = [f for f in self.findings if f.level is Level.REFUSE]
        return Refused("The push was refused.", reasons) if reasons else None


@dataclass
class Pipeline:
    """The one gate for ref updates."""

    config: Config
    store: Store
    git: Git
    refs: RefCache
    lfs: Lfs
    # Pushes that may be moving refs right now.
    live: list[PushSession] = field(default_factory=list)

    async def serve(self, channel: HookChannel, session: PushSession) -> None:
        """Answer the hooks of one push until git ends; never raises for what a push did."""
        try:
            with ExitStack() as flux:
                await self._serve(channel, session, flux)
        except Invalid as error:
            session.failure = error
            await channel.answer([f"hubd: {error.sentence}"], accept=False)
        except Exception:
            session.is_cut = True
            log.exception("push.hooks_failed", repo_id=session.repo.id)
        finally:
            # A hook that still waits reads the end of file and refuses.
            channel.close()

    async def _serve(self, channel: HookChannel, session: PushSession, flux: ExitStack) -> None:
        while (call := await channel.next_call()) is not None:
            if call.hook == "pre-receive":
                lines = await self._pre(session, call)
                # From the verdict until git has ended, refs may move at any moment.
                session.flux = flux.enter_context(self.refs.changing(session.path))
                await afail("push.before_verdict")
                await channel.answer(lines, accept=session.may_go_on)
                await afail("push.after_verdict")
            else:
                await self._post(session, call)
                await channel.answer([], accept=True)

    async def _pre(self, session: PushSession, call: HookCall) -> list[str]:
        """Run the checks; leaves an intent in the session if the push may go on."""
        if session.push_id is not None:
            raise Invalid("The hook was called twice.")
        try:
            session.findings = await self._checked(session, call)
            if session.refused:
                await self._note_refusal(session)
            else:
                await self._intend(session, call)
        except HubError as error:
            session.failure = error
            return [f"hubd: {error.sentence}"]
        except Exception as error:
            log.exception("push.check_failed", repo_id=session.repo.id)
            session.failure = _failure(error, session.actor.request_id)
            return [f"hubd: {session.failure.sentence}"]
        return render(session.findings)

    async def _checked(self, session: PushSession, call: HookCall) -> list[Finding]:
        try:
            async with asyncio.timeout(self.config.push_check_timeout):
                return await self._examine(session, call)
        except TimeoutError:
            text = "The checks of this push took too long; push fewer commits at a time."
            return [Finding(Level.REFUSE, "time", text)]

    async def _intend(self, session: PushSession, call: HookCall) -> None:
        """Write down what git is about to do; only with that row may it go on."""
        await afail("push.before_intent")
        moves = [RefMove(u.ref, u.old, u.new) for u in call.updates]

        async def work(conn: Connection) -> None:
            # Noted here, so that a cancelled push still knows of its row.
            session.push_id = await pushes.intent(
                conn,
                repo_id=session.repo.id,
                actor=session.actor,
                moves=moves,
                options=session.options,
                process_group=session.process_group,
                process_started=session.process_started,
            )

        await self.store.write(work)
        await afail("push.after_intent")
        session.names = frozenset(move.ref for move in moves)
        session.may_go_on = True
        self.live.append(session)

    async def _note_refusal(self, session: PushSession) -> None:
        checks = sorted({f.check for f in session.findings if f.level is Level.REFUSE})
        target, details = session.repo.ref.path, {"checks": checks}
        await self.store.write(
            lambda conn: audit.add(conn, session.actor, "push.refused", target, details)
        )

    async def _examine(self, session: PushSession, call: HookCall) -> list[Finding]:
        session.options = call.push_options
        if len(call.updates) > self.config.refs_per_push:
            raise Invalid(
                f"A push may change at most {self.config.refs_per_push} refs.",
                hint="Push them in several portions.",
            )
        env = {
            key: value
            for key, value in call.environ.items()
            if key in {"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"}
            or key == "GIT_QUARANTINE_PATH"
        }
        quarantine = env.get("GIT_QUARANTINE_PATH")
        async with Batch(self.git, session.path, env) as batch:
            # The child gets ready while the rights are looked up.
            await batch.start()
            role, ref_rules = await self._rights(session, call)
            refs = await self.refs.get(session.path)
            default = f"refs/heads/{session.repo.default_branch}"
            gone = any(update.deletes and update.ref == default for update in call.updates)
            session.has_default = refs.oid_of(default) is not None and not gone
            ctx = PushContext(
                config=self.config,
                store=self.store,
                lfs=self.lfs,
                git=self.git,
                actor=session.actor,
                role=role,
                repo=session.repo,
                path=session.path,
                updates=call.updates,
                options=session.options,
                rules=ref_rules,
                refs=refs,
                env=env,
                quarantine=Path(quarantine) if quarantine else None,
                batch=batch,
                merging=session.merging,
            )
            said = await asyncio.gather(*(check.run(ctx) for check in CHECKS))
            return [finding for findings in said for finding in findings]

    async def _rights(self, session: PushSession, call: HookCall) -> tuple[Role, Sequence[RefRule]]:
        """The pusher's role and the rules; rights may have gone since the push began."""
        async with self.store.read() as conn:
            found = await queries.repo_access(conn, session.repo.ref, session.actor.user_id)
            ref_rules = await rules.for_repo(conn, session.repo.id)
        if found is None or found.repo.id != session.repo.id:
            raise NotFound("Repository not found.")
        facts = access.repo_facts(found)
        # The check of pull requests looks closer at who may push to which of them.
        to_pulls = all(is_pull_ref(update.ref) for update in call.updates)
        action = RepoAction.DISCUSS if to_pulls else RepoAction.PUSH
        access.require(access.decide(session.actor, action, facts), "push here")
        return access.repo_role(session.actor, facts), ref_rules

    async def _post(self, session: PushSession, call: HookCall) -> None:
        if session.push_id is None or not session.may_go_on:
            raise Invalid("The hook was called out of turn.")
        session.has_moved = True
        # git names exactly the refs that it moved.
        applied = [RefMove(u.ref, u.old, u.new) for u in call.updates]
        finish = partial(
            self._finish,
            session.repo.id,
            session.path,
            session.push_id,
            applied,
            has_default=session.has_default,
        )
        # The refs have moved, so there is no way back: the client waits for the record.
        await _insist(finish, "finish a push")
        session.recorded = True
        if session.flux is not None:
            session.flux.moves = {u.ref: (u.old, u.new) for u in call.updates}
        await afail("push.after_finish")

    async def _finish(
        self,
        repo_id: int,
        path: Path,
        push_id: int,
        applied: Sequence[RefMove],
        *,
        has_default: bool = False,
    ) -> None:
        """The one transaction that records a push, its ref moves and their events."""
        await afail("push.before_finish")
        branch = None if has_default else await self._new_default(repo_id, path, applied)

        async def work(conn: Connection) -> None:
            by = await pushes.finish(conn, push_id, applied)
            await _note_in_pulls(conn, repo_id, by, applied)
            if branch is not None:
                await repos.set_default_branch(conn, repo_id, branch)

        await self.store.write(work)

    async def _new_default(
        self, repo_id: int, path: Path, applied: Sequence[RefMove]
    ) -> str | None:
        """The first pushed branch becomes HEAD where the default branch does not exist."""
        created = [m.ref for m in applied if m.ref.startswith("refs/heads/") and _value(m.new)]
        if not created:
            return None
        async with self.store.read() as conn:
            repo = await repos.by_id(conn, repo_id)
        head = f"refs/heads/{repo.default_branch}" if repo is not None else created[0]
        if head in created or (await read_refs(self.git, path)).oid_of(head) is not None:
            return None
        await self.git.set_head(path, created[0])
        return created[0].removeprefix("refs/heads/")

    async def settle(self, session: PushSession, *, clean: bool) -> None:
        """Close the record of a push whose post-receive did not come; safe to call again.

        ``clean``: git ended by itself, so it told all that it moved; else the refs tell.
        """
        try:
            if session.push_id is None or session.recorded:
                return
            if clean and not session.has_moved and not session.is_cut:
                drop = partial(self.store.write, partial(_drop, push_id=session.push_id))
                await _insist(drop, "drop a push")
            else:
                await self._settle_live(session, session.push_id)
            session.recorded = True
        finally:
            if session in self.live:
                self.live.remove(session)

    async def _settle_live(self, session: PushSession, push_id: int) -> None:
        """Ask the refs, once no other push that could have moved the same ones is under way."""
        session.is_settling = True
        while any(_may_have_moved(other, session) for other in self.live):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        settle = partial(self._settle_by_refs, session.repo.id, session.path, only=push_id)
        await _insist(settle, "settle a push")

    async def recover(self, repo_id: int, path: Path) -> int:
        """Finish or drop the intents that an earlier daemon left; the caller holds the repo lock.

        Returns how many there were.
        """
        return await self._settle_by_refs(repo_id, path, only=None)

    async def _settle_by_refs(self, repo_id: int, path: Path, *, only: int | None) -> int:
        async with self.store.read() as conn:
            left = await pushes.open_intents(conn, repo_id)
            names = {move.ref for push in left for move in push.moves}
            recorded = {ref: await events.last_recorded(conn, repo_id, ref) for ref in names}
        refs = await read_refs(self.git, path)
        applied = {
            (push_id, ref)
            for ref in names
            for push_id in _chain(left, ref, refs.oid_of(ref) or "", recorded[ref] or "")
        }
        mine = [push for push in left if only is None or push.id == only]
        # Intents are numbered before their refs move, so this order is the order of the moves.
        for push in sorted(mine, key=lambda p: p.id):
            done = [move for move in push.moves if (push.id, move.ref) in applied]
            if done:
                await self._finish(repo_id, path, push.id, done)
            else:
                await self.store.write(partial(_drop, push_id=push.id))
            log.info("push.settled", repo_id=repo_id, push_id=push.id, refs=len(done))
        return len(mine)


def _may_have_moved(other: PushSession, session: PushSession) -> bool:
    """Whether another push under way could be what moved a ref of this one."""
    same = other.path == session.path and not other.names.isdisjoint(session.names)
    return same and not other.is_settling


async def _insist(work: Callable[[], Awaitable[object]], name: str) -> None:
    """Do what cannot be left undone: again and again while the database or the disk is away.

    Ends early only with the daemon, whose next start finds the intent.
    """
    pause = 0.2
    while True:
        try:
            await work()
        except (Busy, Unavailable, OSError) as error:
            log.error("push.record_waits", work=name, reason=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            return


def _failure(error: Exception, request_id: str) -> HubError:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Unavailable("The server's storage is full.", hint="Tell the operator.")
    return Bug(f"Internal error, id {request_id}.", hint="Tell the operator this id.")


async def _note_in_pulls(
    conn: Connection, repo_id: int, user_id: int | None, applied: Sequence[RefMove]
) -> None:
    """What was pushed to a pull request is part of its story."""
    moves = {int(m.ref.rpartition("/")[2]): m for m in applied if is_pull_ref(m.ref)}
    if not moves:
        return
    for num, pull in (await discussions.pulls_of(conn, repo_id, list(moves))).items():
        data = {"old": moves[num].old, "new": moves[num].new}
        by = user_id or pull.author_id
        await discussions.record(conn, pull.id, discussions.PUSH, by, data=data)


async def _drop(conn: Connection, *, push_id: int) -> None:
    await pushes.drop(conn, push_id)


def _chain(left: Sequence[Push], ref: str, now: str, recorded: str) -> list[int]:
    """The open pushes that together moved a ref from its last recorded value to where it stands.

    Walks back from ``now``; each push is used once, so two equal attempts make one event.
    """
    target, stop = _value(now), _value(recorded)
    chain: list[int] = []
    moves = [(push.id, move) for push in left for move in push.moves if move.ref == ref]
    while target != stop:
        step = next(
            (
                (push_id, move)
                for push_id, move in moves
                if _value(move.new) == target and push_id not in chain
            ),
            None,
        )
        if step is None:
            break
        chain.append(step[0])
        target = _value(step[1].old)
    return chain


def _value(oid: str) -> str:
    return oid if oid.strip("0") else ""


def render(findings: Sequence[Finding]) -> list[str]:
    """The findings as a person reads them in the terminal, refusals first."""
    order = {Level.REFUSE: 0, Level.WARN: 1, Level.NOTE: 2}
    lines: list[str] = []
    for finding in sorted(findings, key=lambda f: order[f.level]):
        lines.append(f"hubd: {finding.level.value}: {finding.message} [{finding.check}]")
        if finding.fix:
            lines.append(f"hubd:   {finding.fix}")
    return lines
