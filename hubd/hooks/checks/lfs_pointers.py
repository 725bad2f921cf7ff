"""Pointers without their object: a clone of such a repository would be missing files."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hubd.git import reach
from hubd.hooks.channel import printable
from hubd.hooks.context import PushContext, named
from hubd.lfs import content, pointers
from hubd.lfs.pointers import Pointer
from hubd.types import Finding, Level


class LfsPointers:
    """Looks at every new object small enough to be a pointer, reachable or not."""

    name = "lfs"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """Malformed pointers, and those whose object the repository does not have."""
        found: dict[str, Pointer] = {}
        malformed: list[str] = []
        async for contents in self._contents(ctx):
            for oid, data in contents.items():
                pointer = pointers.parse(data)
                if pointer is not None:
                    found[oid] = pointer
                elif pointers.is_malformed(data):
                    malformed.append(oid)
        missing = await self._missing(ctx, found)
        if not malformed and not missing:
            return []
        paths = await ctx.git.new_object_paths(
            ctx.path,
            [update.new for update in ctx.tips],
            {*malformed, *missing},
            env_extra=ctx.env,
        )
        return self._findings(ctx, missing, malformed, paths)

    async def _contents(self, ctx: PushContext) -> AsyncIterator[dict[str, bytes]]:
        """What may be a pointer among the new objects, and among old ones that come back."""
        unseen = {update.new for update in ctx.tips}
        async for portion in ctx.new_objects():
            unseen -= {facts.oid for facts in portion}
            small = [
                facts.oid
                for facts in portion
                if facts.kind == "blob" and pointers.may_be(facts.size)
            ]
            if small:
                yield await ctx.batch.contents_many(small)
        unseen -= {oid for pair in ctx.refs.names.values() for oid in pair}
        if unseen:
            # What no ref reached for a time may have lost its large files to collection.
            below = pointers.MAX_POINTER
            async for contents in reach.reachable(
                ctx.git, ctx.path, below, sorted(unseen), only_new=True
            ):
                yield contents

    async def _missing(
        self, ctx: PushContext, found: dict[str, Pointer]
    ) -> dict[str, tuple[Pointer, int | None]]:
        """Blobs whose object is not linked, or has another size, which is given."""
        if not found:
            return {}
        links = await content.links(ctx.lfs, ctx.repo.id, {p.oid for p in found.values()})
        return {
            blob: (pointer, link.size if link else None)
            for blob, pointer in found.items()
            if (link := links.get(pointer.oid)) is None or link.size != pointer.size
        }

    def _findings(
        self,
        ctx: PushContext,
        missing: dict[str, tuple[Pointer, int | None]],
        malformed: list[str],
        paths: dict[str, str],
    ) -> list[Finding]:
        def where(blob: str) -> str:
            return printable(paths.get(blob, blob))

        findings = []
        absent = [f"{where(b)} ({p.oid[:12]}…)" for b, (p, size) in missing.items() if size is None]
        if absent:
            tip = next((update.ref for update in ctx.tips), "")
            findings.append(
                self._refuse(
                    f"{named(absent)}: the large files behind these pointers are not on this hub.",
                    f"Run: git lfs push --all origin {printable(tip.split('/', 2)[-1])}".rstrip(),
                )
            )
        wrong = [
            f"{where(b)} (says {p.size} bytes, has {size})"
            for b, (p, size) in missing.items()
            if size is not None
        ]
        if wrong:
            text = f"{named(wrong)}: these pointers have a wrong size."
            findings.append(self._refuse(text, "Add the files again with git lfs and push."))
        if malformed:
            text = f"{named([where(b) for b in malformed])}: these LFS pointers are malformed."
            findings.append(self._refuse(text, "Run: git add --renormalize . and commit again."))
        return findings

    def _refuse(self, message: str, fix: str) -> Finding:
        return Finding(Level.REFUSE, self.name, message, fix)
