"""Refs of repositories as the daemon last read them; true because every ref update passes here.

A repository "in flux" (a push has its verdict and git may be moving refs) is read afresh each time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubd.git.process import Git
from hubd.git.refs import Refs, read_refs

# A ref takes about 300 bytes and 70 more in each answer made of it: some 10 MB in all.
MAX_REFS = 20_000


@dataclass
class Flux:
    """A change under way; who knows exactly what moved says so, and spares a reading."""

    moves: Mapping[str, tuple[str, str]] | None = None


class RefCache:
    """Bounded by the number of refs it holds; least recently used first out."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._known: OrderedDict[Path, Refs] = OrderedDict()
        self._flux: Counter[Path] = Counter()
        self._generation: Counter[Path] = Counter()
        self._reading: dict[tuple[Path, int], asyncio.Task[Refs]] = {}
        self._count = 0

    def knows(self, path: Path) -> bool:
        """Whether the repository was read and nothing has changed since."""
        return path in self._known

    async def get(self, path: Path) -> Refs:
        """The refs of the repository now."""
        known = self._known.get(path)
        if known is not None:
            self._known.move_to_end(path)
            return known
        if self._flux[path]:
            return await read_refs(self._git, path)
        generation = self._generation[path]
        task = self._reading.get((path, generation))
        if task is None:
            task = asyncio.create_task(read_refs(self._git, path))
            self._reading[path, generation] = task
            task.add_done_callback(lambda _: self._reading.pop((path, generation), None))
        refs = await asyncio.shield(task)
        if self._generation[path] == generation and path not in self._known:
            self._keep(path, refs)
        return refs

    @contextmanager
    def changing(self, path: Path) -> Iterator[Flux]:
        """Around everything that may move refs or HEAD."""
        before = self._known.get(path)
        self.forget(path)
        alone, generation = not self._flux[path], self._generation[path]
        self._flux[path] += 1
        flux = Flux()
        try:
            yield flux
        finally:
            self._flux[path] -= 1
            if not self._flux[path]:
                del self._flux[path]
            undisturbed = alone and generation == self._generation[path]
            self.forget(path)
            after = before.moved(flux.moves) if before is not None and flux.moves else None
            if undisturbed and after is not None:
                self._keep(path, after)

    def forget(self, path: Path) -> None:
        """Read afresh next time."""
        self._generation[path] += 1
        refs = self._known.pop(path, None)
        if refs is not None:
            self._count -= len(refs.names) + 1

    def _keep(self, path: Path, refs: Refs) -> None:
        self._known[path] = refs
        self._count += len(refs.names) + 1
        while self._count > MAX_REFS and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._count -= len(oldest.names) + 1
