"""What a check sees of a push: who, where, which refs, and the quarantined objects."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hubd.config import Config
from hubd.errors import Unavailable
from hubd.git.objects import Batch
from hubd.git.packs import few_objects
from hubd.git.process import Git
from hubd.git.refs import Refs
from hubd.hooks.channel import RefUpdate
from hubd.lfs import Lfs
from hubd.store.engine import Store
from hubd.store.repos import Repo
from hubd.store.rules import RefRule
from hubd.types import Actor, Finding, Role

MAX_NAMED = 20
# A push of at most so many objects is listed once for all checks.
_FEW = 20_000
# How far, and in how large commits, a fast-forward is looked for without a child.
_NEAR = 8
_SMALL = 65536
# A push of so few objects is listed without a child of its own.
_FEW_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """A quarantined object: its id, kind and size in bytes."""

    oid: str
    kind: str
    size: int


@dataclass
class PushContext:
    """One push under examination.

    ``batch`` reads objects with the quarantine of this very push in view; ``env`` is the
    environment that shows the quarantine to any further git child.
    """

    config: Config
    store: Store
    lfs: Lfs
    git: Git
    actor: Actor
    role: Role
    repo: Repo
    path: Path
    updates: Sequence[RefUpdate]
    options: Sequence[str]
    rules: Sequence[RefRule]
    refs: Refs
    env: Mapping[str, str]
    quarantine: Path | None
    batch: Batch
    # The pull request that the hub merges by this push, and the commit of it that is merged.
    merging: tuple[int, str] | None = None
    _few: list[ObjectFacts] | None = None
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ancestry: dict[tuple[str, str], bool] = field(default_factory=dict)

    @property
    def tips(self) -> list[RefUpdate]:
        """The updates that leave a ref in place."""
        return [update for update in self.updates if not update.deletes]

    async def new_objects(self) -> AsyncIterator[list[ObjectFacts]]:
        """All objects that came with this push, in portions, in no order.

        Several checks ask; git is asked once, unless there are too many to keep.
        """
        async with self._listing:
            if self._few is None:
                self._few = await self._list_few()
        if len(self._few) <= _FEW:
            yield self._few
            return
        async for portion in self._list_objects():
            yield portion

    async def _list_few(self) -> list[ObjectFacts]:
        """All new objects, or some more than ``_FEW`` of them."""
        found: list[ObjectFacts] = []
        async with aclosing(self._list_objects()) as portions:
            async for portion in portions:
                found += portion
                if len(found) > _FEW:
                    break
        return found

    async def _list_objects(self) -> AsyncGenerator[list[ObjectFacts], None]:
        if self.quarantine is None:
            return
        few = await asyncio.to_thread(
            few_objects, self.quarantine, self.repo.object_format, _FEW_OBJECTS
        )
        if few is not None:
            infos = await self.batch.info_many(few)
            if None in infos:
                raise Unavailable("git could not list the pushed objects.")
            yield [ObjectFacts(info.oid, info.kind, info.size) for info in infos if info]
            return
        async for line in self.git.list_new_objects(self.path, self.quarantine):
            yield [ObjectFacts(oid, kind, size) for oid, kind, size in line]

    async def is_fast_forward(self, update: RefUpdate) -> bool:
        """Whether the ref only moves forward; creation and deletion do not count as such."""
        key = (update.old, update.new)
        if key not in self._ancestry:
            self._ancestry[key] = await self._is_near(*key) or await self.git.is_ancestor(
                self.path, update.old, update.new, env_extra=self.env
            )
        return self._ancestry[key]

    async def _is_near(self, old: str, new: str) -> bool:
        """Whether ``old`` is among the last few commits: most pushes cost no child for this."""
        tip = new
        for _ in range(_NEAR):
            info = await self.batch.info(tip)
            if info is None or info.kind != "commit" or info.size > _SMALL:
                return False
            head = (await self.batch.contents_many([tip]))[tip].partition(b"\n\n")[0]
            parents = re.findall(rb"^parent ([0-9a-f]+)$", head, re.MULTILINE)
            if old.encode() in parents:
                return True
            if not parents:
                return False
            tip = parents[0].decode()
        return False


class Check(Protocol):
    """One reason why a push may be refused: a file in ``checks/`` and a line in its list."""

    name: str

    async def run(self, ctx: PushContext) -> list[Finding]:
        """Everything this check has to say; silent means pass."""
        ...


def named(faults: Sequence[str]) -> str:
    """At most 20 offenders by name, then a count."""
    text = ", ".join(faults[:MAX_NAMED])
    more = len(faults) - MAX_NAMED
    return f"{text} and {more} more" if more > 0 else text
