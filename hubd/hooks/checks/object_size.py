"""Objects that a Git repository must not hold: big files outside LFS, monstrous commits."""

from __future__ import annotations

import shlex

from hubd.hooks.channel import printable
from hubd.hooks.context import ObjectFacts, PushContext, named
from hubd.lfs.quota import human
from hubd.types import Finding, Level

MAX_COMMIT_BYTES = 1024 * 1024
MAX_TREE_BYTES = 64 * 1024 * 1024


class ObjectSize:
    """Looks at every new object (sizes only), reachable from a pushed ref or not."""

    name = "object-size"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """At most one finding per kind of object."""
        limits = {
            "blob": ctx.config.blob_limit,
            "commit": MAX_COMMIT_BYTES,
            "tag": MAX_COMMIT_BYTES,
            "tree": MAX_TREE_BYTES,
        }
        big: list[ObjectFacts] = []
        async for portion in ctx.new_objects():
            big += [facts for facts in portion if facts.size > limits[facts.kind]]
        if not big:
            return []
        paths = await self._paths(ctx, {facts.oid for facts in big if facts.kind == "blob"})
        findings = []
        for kind in ("commit", "tag", "tree"):
            oids = [facts.oid for facts in big if facts.kind == kind]
            if oids:
                message = f"{kind} {named(oids)} is larger than {human(limits[kind])}."
                findings.append(self._refuse(message, "Rewrite it smaller and push again."))
        blobs = [facts for facts in big if facts.kind == "blob"]
        if blobs:
            findings.append(self._blob_finding(blobs, paths, limits["blob"]))
        return findings

    async def _paths(self, ctx: PushContext, oids: set[str]) -> dict[str, str]:
        tips = [update.new for update in ctx.tips]
        return await ctx.git.new_object_paths(ctx.path, tips, oids, env_extra=ctx.env)

    def _blob_finding(self, blobs: list[ObjectFacts], paths: dict[str, str], limit: int) -> Finding:
        names = [
            f"{printable(paths.get(facts.oid, facts.oid))} ({human(facts.size)})" for facts in blobs
        ]
        include = ",".join(sorted({_pattern(paths[f.oid]) for f in blobs if f.oid in paths}))
        return self._refuse(
            f"{named(names)}: files over {human(limit)} must be stored with Git LFS.",
            f"Run: git lfs migrate import --everything --include={shlex.quote(printable(include))}"
            if include
            else "Remove them from the history and push again.",
        )

    def _refuse(self, message: str, fix: str) -> Finding:
        return Finding(Level.REFUSE, self.name, message, fix)


def _pattern(path: str) -> str:
    """What ``git lfs migrate --include`` takes for this file: its suffix, or its whole path."""
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return f"*.{suffix}" if dot and stem and suffix.isalnum() else path
