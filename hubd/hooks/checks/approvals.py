"""Branches that take merges of approved pull requests only."""

from __future__ import annotations

from collections.abc import Sequence

from hubd.hooks.channel import RefUpdate, printable
from hubd.hooks.checks.protected_refs import matches
from hubd.hooks.context import PushContext
from hubd.store import discussions, queries
from hubd.store.queries import Verdict
from hubd.store.rules import RefRule
from hubd.types import Finding, Level, Role

_FIX = "Open a pull request into it, have it approved and merge it."


class Approvals:
    """Refuses what moves such a branch, unless the hub itself merges what was approved."""

    name = "approvals"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """A finding per branch whose approvals are missing."""
        findings = []
        for update in ctx.updates:
            needed = required(ctx.rules, update.ref)
            fault = None if update.creates or not needed else await _fault(ctx, update, needed)
            if fault:
                message = f"{printable(update.ref)} {fault}"
                findings.append(Finding(Level.REFUSE, self.name, message, _FIX))
        return findings


async def _fault(ctx: PushContext, update: RefUpdate, needed: int) -> str | None:
    if ctx.merging is None:
        return f"takes merges of approved pull requests only (approvals needed: {needed})."
    num, head = ctx.merging
    async with ctx.store.read() as conn:
        pull = (await discussions.pulls_of(conn, ctx.repo.id, [num])).get(num)
        if pull is None or pull.base != update.ref:
            return "is not what this pull request asks to be merged into."
        return missing(await queries.verdicts(conn, pull.id), needed, head)


def required(rules: Sequence[RefRule], ref: str) -> int:
    """How many approvals a merge into a branch needs."""
    return max((rule.approvals for rule in rules if matches(rule, ref)), default=0)


def missing(verdicts: Sequence[Verdict], needed: int, head: str) -> str | None:
    """What is wanting to merge the commits up to ``head``; None: nothing.

    Verdicts of those count who may push, approvals only for the commits that were seen; whoever
    asked for changes has to approve.
    """
    judges = [one for one in verdicts if one.role >= Role.WRITE]
    against = [one.author for one in judges if one.verdict != "approve"]
    if against:
        return f"waits: {', '.join(against[:5])} asked for changes."
    given = sum(one.commit == head for one in judges)
    return f"waits for approvals: {given} of {needed} are given." if given < needed else None
