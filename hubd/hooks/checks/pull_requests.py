"""Pushes to ``refs/pr/N``: by the author of the pull request, or who may push anyway."""

from __future__ import annotations

from hubd.hooks.channel import RefUpdate
from hubd.hooks.context import PushContext
from hubd.names import is_pull_ref
from hubd.store import discussions
from hubd.store.discussions import Discussion
from hubd.types import Finding, Level, Role


class PullRequests:
    """Looks up the pull request behind each such ref."""

    name = "pull-requests"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """A finding per ref that must not move."""
        updates = {int(u.ref.rpartition("/")[2]): u for u in ctx.updates if is_pull_ref(u.ref)}
        if not updates:
            return []
        async with ctx.store.read() as conn:
            pulls = await discussions.pulls_of(conn, ctx.repo.id, list(updates))
        findings = []
        for num, update in updates.items():
            fault = _fault(ctx, update, pulls.get(num))
            if fault:
                message = f"{update.ref}: {fault}"
                fix = "Open a pull request on the hub, or push to a branch."
                findings.append(Finding(Level.REFUSE, self.name, message, fix))
        return findings


def _fault(ctx: PushContext, update: RefUpdate, pull: Discussion | None) -> str | None:
    if pull is None:
        return "there is no such pull request."
    if update.deletes:
        return "a pull request cannot be deleted; close it instead."
    if not pull.is_live:
        return f"this pull request is {pull.status}."
    if ctx.role < Role.WRITE and ctx.actor.user_id != pull.author_id:
        return f"only {pull.author} and those who may push here can change this pull request."
    return None
