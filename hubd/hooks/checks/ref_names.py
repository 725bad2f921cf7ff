"""Refs that a hub must not have: outside branches and tags, misleading, or twins."""

from __future__ import annotations

from collections import Counter

from hubd.hooks.channel import RefUpdate, printable
from hubd.hooks.context import PushContext, named
from hubd.names import is_pull_ref, ref_name_fault
from hubd.types import Finding, Level

_PUBLIC = ("refs/heads/", "refs/tags/")


class RefNames:
    """Refuses reserved namespaces, names that mislead and names that differ in case only.

    Deleting is always allowed, so that a bad name which got in otherwise can be removed.
    """

    name = "ref-names"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """One finding per kind of fault, each with up to 20 names."""
        faults: dict[str, list[str]] = {}
        for update in ctx.updates:
            fault = self._fault(update)
            if fault:
                faults.setdefault(fault, []).append(printable(update.ref))
        twins = self._twins(ctx)
        if twins:
            faults["its name differs from another only in case"] = twins
        return [
            Finding(
                Level.REFUSE,
                self.name,
                f"{named(names)}: {fault}.",
                "Push to a branch or tag with another name.",
            )
            for fault, names in faults.items()
        ]

    def _fault(self, update: RefUpdate) -> str | None:
        if is_pull_ref(update.ref):
            return None  # The check of pull requests judges these.
        if not update.ref.startswith(_PUBLIC):
            return "only branches and tags can be pushed; other refs belong to the hub"
        return None if update.deletes else ref_name_fault(update.ref)

    def _twins(self, ctx: PushContext) -> list[str]:
        created = [update.ref for update in ctx.updates if update.creates and not update.deletes]
        if not created:
            return []
        gone = {update.ref for update in ctx.updates if update.deletes}
        folded = Counter(ref.casefold() for ref in ctx.refs.names if ref not in gone)
        folded.update(ref.casefold() for ref in created)
        return [printable(ref) for ref in created if folded[ref.casefold()] > 1]
