"""What model files say of themselves: parameters, architecture, context, chat template.

Only their heads are read, once per content, in a process apart; the findings are kept by object id.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from hubd import procs
from hubd.core import listing, model_headers
from hubd.core.browse import At
from hubd.core.context import Core
from hubd.core.entries import Entry
from hubd.errors import HubError, Invalid, NotFound, TooLarge
from hubd.lfs import content
from hubd.store import cards, model_facts
from hubd.store.engine import Connection

INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
# What a page of tensors holds.
MAX_LISTED = 1000
_MAX_INDEX = 16 * 1024 * 1024
# What one answer waits for; what is not read by then is read for the next one.
_PATIENCE = 5.0
_SECONDS = 60.0
_MAX_HEADERS = 32 * 1024 * 1024
_PROGRAM = str(Path(model_headers.__file__))

log = structlog.get_logger()
Facts = dict[str, Any]


class Index(msgspec.Struct, frozen=True):
    """A sharded model's index: which shard has which tensor."""

    weight_map: dict[str, str]
    metadata: msgspec.Raw = msgspec.Raw(b"null")


async def of(core: Core, at: At, files: Sequence[Entry]) -> tuple[Facts | None, Facts | None]:
    """What the safetensors and the GGUF among the files at the root say; None: nothing is known."""
    here = {entry.name: entry for entry in files if entry.kind == "file"}
    tensors = await _shards(core, at, here)
    ggufs = [entry for name, entry in sorted(here.items()) if name.endswith(".gguf")][:1]
    if not tensors and not ggufs:
        return None, None
    wanted = {"safetensors": tensors, "gguf": ggufs}
    # Who asks may give up before it is done; it is not begun again for the next one.
    learning = core.tasks.start(_facts(core, at, wanted), f"heads of {at.found.repo.id}")
    try:
        async with asyncio.timeout(_PATIENCE):
            known = await asyncio.shield(learning)
    except TimeoutError:
        return None, None
    return _sum(known["safetensors"]), next(iter(known["gguf"]), None)


def _sum(shards: Sequence[Facts]) -> Facts | None:
    parameters: dict[str, int] = {}
    for shard in shards:
        for dtype, count in shard["parameters"].items():
            parameters[dtype] = parameters.get(dtype, 0) + count
    return {"parameters": parameters, "total": sum(parameters.values())} if shards else None


async def _shards(core: Core, at: At, here: Mapping[str, Entry]) -> list[Entry]:
    if _SINGLE in here:
        return [here[_SINGLE]]
    if INDEX not in here:
        single = [entry for name, entry in here.items() if name.endswith(".safetensors")]
        return single if len(single) == 1 else []
    try:
        names = set((await index(core, at, INDEX)).weight_map.values())
    except HubError:
        return []
    return [here[name] for name in sorted(names)] if names <= here.keys() else []


async def index(core: Core, at: At, path: str) -> Index:
    """A sharded model's index; raises ``NotFound`` or ``Invalid``."""
    data = await listing.head(core, at, path, _MAX_INDEX)
    if data is None:
        raise NotFound(f"There is no index {path!r} at {at.revision}.")
    try:
        return await asyncio.to_thread(msgspec.json.decode, data, type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(f"{path!r} is no index of safetensors.") from None


async def _facts(
    core: Core, at: At, wanted: Mapping[str, Sequence[Entry]]
) -> dict[str, list[Facts]]:
    """What each file of each kind says; nothing where one of them says nothing."""
    answer: dict[str, list[Facts]] = {}
    for kind, files in wanted.items():
        oids = {_oid(entry): entry for entry in files}
        async with core.store.read() as conn:
            known = await model_facts.of(conn, kind, oids)
        for oid, entry in oids.items():
            if oid not in known:
                known[oid] = await _learn(core, at, kind, entry) or {"malformed": "unread"}
        found = [known[_oid(entry)] for entry in files]
        answer[kind] = [] if any("malformed" in facts for facts in found) else found
    return answer


def _oid(entry: Entry) -> str:
    return entry.lfs.oid if entry.lfs is not None else entry.oid


def _bytes(core: Core, at: At, entry: Entry, end: int) -> AsyncIterator[bytes]:
    if entry.lfs is not None:
        return content.read(core.lfs, entry.lfs.oid, 0, end)
    return listing.read(core, at, entry, 0, end)


async def _learn(core: Core, at: At, kind: str, entry: Entry) -> Facts | None:
    """Read a file's head and remember what it says."""
    oid = _oid(entry)
    async with core.lfs.locks.hold(f"head of {oid}"):
        async with core.store.read() as conn:
            known = (await model_facts.of(conn, kind, [oid])).get(oid)
        found = known or await _read(core, at, kind, entry)
        if found is not None and found is not known:
            await core.store.write(partial(_remember, at.found.repo.id, kind, oid, found))
    return found


async def _remember(repo_id: int, kind: str, oid: str, found: Facts, conn: Connection) -> None:
    await model_facts.put(conn, kind, oid, found)
    # Who made the repository's card may not have waited for this.
    await cards.forget(conn, repo_id)


async def tensors(core: Core, at: At, entry: Entry) -> Facts | None:
    """What one file's head says, with up to ``MAX_LISTED`` of its tensors.

    None if the file is none of those that have any by its name, or cannot be read now; a file that
    is not what its name says has ``malformed``, the reason.
    """
    kind = entry.name.lower().rpartition(".")[2]
    if kind not in model_headers.KINDS or entry.kind != "file":
        return None
    return await _read(core, at, kind, entry, MAX_LISTED)


async def _read(core: Core, at: At, kind: str, entry: Entry, most: int = 0) -> Facts | None:
    """What one file's head says; None if it cannot be read now."""
    size = entry.size or 0
    try:
        if entry.lfs is not None:
            # Its true size: a pointer may lie, and what is found is kept for all who have it.
            size = (await content.link(core.lfs, at.found.repo.id, entry.lfs.oid)).size
        pieces = _bytes(core, at, entry, min(size, model_headers.MAX_HEAD + 8))
        async with core.limits.headers.hold():
            return await parsed(kind, size, pieces, most)
    except (HubError, OSError) as error:
        log.info("models.unreadable", repo_id=at.found.repo.id, reason=str(error))
        return None


async def parsed(kind: str, size: int, pieces: AsyncIterator[bytes], most: int = 0) -> Facts | None:
    """What a head says, parsed in a child that takes no more bytes than it needs."""
    argv = [sys.executable, "-I", "-B", _PROGRAM, kind, str(size), str(most)]
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    async with aclosing(pieces), await procs.start(argv, env=env, pipe_size=0) as child:  # type: ignore[type-var]
        feeding = asyncio.create_task(_feed(child, pieces))
        answer = bytearray()
        try:
            async with asyncio.timeout(_SECONDS):
                while piece := await child.read(65536):
                    answer += piece
                    if len(answer) > 2 * model_headers.MAX_KEPT:
                        break
        except TimeoutError:
            return {"malformed": "its head takes too long to read"}
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
    try:
        found: Facts = msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"malformed": "its head cannot be read"}
    return found


async def _feed(child: procs.Child, pieces: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        async for piece in pieces:
            await child.write(piece)
    child.close_stdin()


async def headers(core: Core, at: At, path: str) -> tuple[Index, dict[str, msgspec.Raw]]:
    """An index of safetensors and the heads of its shards; raises ``NotFound`` or ``Invalid``."""
    found = await index(core, at, path)
    folder = path.rpartition("/")[0]
    heads: dict[str, msgspec.Raw] = {}
    left = _MAX_HEADERS
    async with core.limits.headers.hold():
        for name in sorted(set(found.weight_map.values())):
            entry = await listing.file(core, at, f"{folder}/{name}" if folder else name)
            await listing.require_content(core, at, entry)
            raw = await _head(core, at, entry, left)
            left -= len(raw)
            heads[name] = msgspec.Raw(raw)
    return found, heads


async def _head(core: Core, at: At, entry: Entry, most: int) -> bytes:
    async def first(end: int) -> bytes:
        found = bytearray()
        async with aclosing(_bytes(core, at, entry, min(end, entry.size or 0))) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                found += piece
        return bytes(found[:end])

    length = int.from_bytes(await first(8), "little")
    if length > most:
        raise TooLarge("The heads of the shards are larger than the hub sends at once.")
    data = (await first(8 + length))[8:]
    try:
        await asyncio.to_thread(msgspec.json.decode, data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(f"{entry.path!r} is no safetensors.") from None
    return data
