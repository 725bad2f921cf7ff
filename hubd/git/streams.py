"""A child's output, cut into records that never grow beyond a limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from hubd.procs import Child

_READ = 65536
_TAIL = 1024
MAX_RECORD = 1024 * 1024


async def records(
    child: Child, separator: bytes = b"\0", limit: int = MAX_RECORD
) -> AsyncGenerator[bytes, None]:
    """Yield what stands between separators; of a longer record its start and its last KiB.

    What follows the last separator is a record of its own unless it is empty.
    """
    rest = b""
    while piece := await child.read(_READ):
        *whole, rest = (rest + piece).split(separator)
        for record in whole:
            yield _cut(record, limit)
        rest = _cut(rest, limit)
    if rest:
        yield rest


def _cut(record: bytes, limit: int) -> bytes:
    return record if len(record) <= limit else record[: limit - _TAIL] + record[-_TAIL:]
