"""What objects say, kept by repository and id: an id's content never changes.

Only what a repository was seen to have is kept for it; ``forget`` when objects may have gone.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

# A unit is about 300 bytes of memory: an entry of a tree, an object's facts, a pointer's bytes.
MAX_UNITS = 200_000
V = TypeVar("V")


class ObjectCache:
    """Bounded by weight; least recently used first out."""

    def __init__(self, most: int = MAX_UNITS) -> None:
        self._most = most
        self._known: OrderedDict[tuple[Path, str], tuple[object, int]] = OrderedDict()
        self._units = 0

    def get(self, path: Path, key: str, kind: type[V]) -> V | None:
        """What is kept under this key for this repository."""
        found = self._known.get((path, key))
        if found is None or not isinstance(found[0], kind):
            return None
        self._known.move_to_end((path, key))
        return found[0]

    def put(self, path: Path, key: str, value: object, units: int = 1) -> None:
        """Keep it, unless it would push out most of the rest."""
        if units > self._most // 2:
            return
        self._drop((path, key))
        self._known[path, key] = (value, units)
        self._units += units
        while self._units > self._most:
            self._drop(next(iter(self._known)))

    def forget(self, path: Path) -> None:
        """Drop all that is known of a repository."""
        for key in [key for key in self._known if key[0] == path]:
            self._drop(key)

    def _drop(self, key: tuple[Path, str]) -> None:
        found = self._known.pop(key, None)
        if found is not None:
            self._units -= found[1]
