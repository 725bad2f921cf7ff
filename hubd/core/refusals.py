"""What was refused lately, so that a flood of attempts is no flood of lines in the audit log."""

from __future__ import annotations

import time
from collections import OrderedDict

# One line a minute tells of any number of equal refusals.
_QUIET_SECONDS = 60.0
_MAX_REMEMBERED = 10_000


class Refusals:
    """Remembers the latest, each for a minute."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def is_news(self, *what: str) -> bool:
        """Whether to write it down: not within a minute after the same."""
        now = time.monotonic()
        if now - self._told.get(what, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return False
        self._told[what] = now
        self._told.move_to_end(what)
        if len(self._told) > _MAX_REMEMBERED:
            self._told.popitem(last=False)
        return True
