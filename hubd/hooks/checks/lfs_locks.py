"""Paths that somebody else has locked: their bytes must stay as they are."""

from __future__ import annotations

from hubd.git import diff
from hubd.git.objects import ObjectInfo
from hubd.hooks.channel import printable
from hubd.hooks.context import PushContext, named
from hubd.lfs import locks
from hubd.types import Finding, Level, RefName


class LfsLocks:
    """Compares the locked paths alone, before and after, so its cost is that of the locks."""

    name = "locks"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """Locked paths that a branch would show otherwise than before."""
        branches = [update for update in ctx.tips if update.ref.startswith("refs/heads/")]
        held = await locks.of_others(ctx.lfs, ctx.actor, ctx.repo.id) if branches else ()
        if not held:
            return []
        owners = {lock.path: lock.owner for lock in held}
        touched: set[str] = set()
        for before, after in {(update.old, update.new) for update in branches}:
            start = before if before.strip("0") else await self._parting(ctx, after)
            touched |= await self._changed(ctx, start, after, list(owners))
        if not touched:
            return []
        faults = [f"{printable(path)} (by {owners[path]})" for path in sorted(touched)]
        text = f"{named(faults)}: locked by somebody else."
        fix = "Ask them to unlock, or leave these files as they are."
        return [Finding(Level.REFUSE, self.name, text, fix)]

    async def _parting(self, ctx: PushContext, new: str) -> str | None:
        """Where a new branch left the default one; None where there is nothing to leave."""
        default = ctx.refs.oid_of(RefName.branch(ctx.repo.default_branch))
        if default is None:
            return None
        return await diff.merge_base(ctx.git, ctx.path, default, new, ctx.env) or default

    async def _changed(
        self, ctx: PushContext, before: str | None, after: str, paths: list[str]
    ) -> set[str]:
        new = await ctx.batch.info_many([f"{after}:{path}" for path in paths])
        old: list[ObjectInfo | None] = [None] * len(paths)
        if before is not None:
            old = await ctx.batch.info_many([f"{before}:{path}" for path in paths])
        return {
            path
            for path, one, other in zip(paths, old, new, strict=True)
            if (one and one.oid) != (other and other.oid)
        }
