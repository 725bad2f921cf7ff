"""Clones and fetches: who may, and where the bytes of the answer come from.

Protocol v2 (gitprotocol-v2) is answered request by request, the same way for HTTP and SSH:
the advertisement from memory, ``ls-refs`` from the ref cache, clones from the pack cache, and the
rest by ``git upload-pack --stateless-rpc``. Versions 0 and 1 go to a child as a whole.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.packcache import PIECE, Answer
from hubd.errors import Bug, Invalid
from hubd.git.protocol_v2 import V2Request, parse_v2_request, render_ls_refs
from hubd.procs import Child
from hubd.store.repos import Repo
from hubd.types import Actor, RepoAction, RepoRef

MAX_REQUEST = 10 * 1024 * 1024
# A request with more wants than this is no clone that many will repeat.
_MAX_CACHED_REQUEST = 1024 * 1024
# What upload-pack says when it refuses (an ERR packet) is short; more is a pack that broke off.
_MAX_REFUSAL = 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """A repository that the actor may fetch from."""

    actor: Actor
    repo: Repo
    path: Path


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from: exactly one of the three is set."""

    data: bytes | None = None
    answer: Answer | None = None
    child: Child | None = None


async def admit(core: Core, actor: Actor, ref: RepoRef) -> Reading:
    """Judge a fetch; raises ``NotFound`` for what the actor may not know of."""
    found = await repos.find(core, actor, ref, RepoAction.FETCH)
    path = await repos.ensure_directory(core, found.repo)
    return Reading(actor, found.repo, path)


async def advertise(core: Core, reading: Reading, protocol: str) -> bytes:
    """The first answer of ``upload-pack`` for this ``GIT_PROTOCOL``."""
    if "version=2" in protocol.split(":"):
        return core.git.v2_advertisement(reading.repo.object_format)
    return await core.git.advertise(reading.path, "upload-pack", protocol)


@asynccontextmanager
async def answer_v2(core: Core, reading: Reading, body: bytes) -> AsyncIterator[Source]:
    """Answer one request of protocol v2, given whole."""
    request = parse_v2_request(body)
    if request.command == "ls-refs":
        refs = await core.refs.get(reading.path)
        yield Source(data=render_ls_refs(refs, request))
        return
    size = reading.repo.size_bytes
    if size > core.config.pack_cache_limit // 2 or not core.packs.has_room(size):
        # Too large to spool, or the disk is full: straight from the child.
        core.metrics.fetches_total.labels(reading.actor.channel.value, "no").inc()
        async with _uncached(core, reading, "version=2") as child:
            core.tasks.start(feed(child, body), "upload-pack request")
            yield Source(child=child)
        return
    key = await _cache_key(core, reading, request, body)
    answer = await _spooled(core, reading, key, body)
    try:
        await answer.begun()
        yield Source(answer=answer)
    finally:
        core.packs.release(answer)


@asynccontextmanager
async def answer_v0(
    core: Core, reading: Reading, protocol: str, *, stateless: bool
) -> AsyncIterator[Child]:
    """Run ``upload-pack`` for versions 0 and 1; the transport feeds and drains it."""
    core.metrics.fetches_total.labels(reading.actor.channel.value, "no").inc()
    async with _uncached(core, reading, protocol, stateless=stateless) as child:
        yield child


@asynccontextmanager
async def _uncached(
    core: Core, reading: Reading, protocol: str, *, stateless: bool = True
) -> AsyncIterator[Child]:
    async with core.limits.pack(reading.actor, reading.repo.id):
        child = await core.git.upload_pack(reading.path, protocol=protocol, stateless=stateless)
        try:
            yield child
        finally:
            await core.tasks.finish(child.kill(), "end upload-pack")


async def feed(child: Child, data: bytes) -> None:
    """Write a small request to a child and close its input; an early end of it is no fault."""
    try:
        await child.write(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        child.close_stdin()


async def _cache_key(core: Core, reading: Reading, request: V2Request, body: bytes) -> str | None:
    """A name for the answer if it is that of a clone whose wants are advertised right now."""
    if not core.packs.enabled or request.command != "fetch" or len(body) > _MAX_CACHED_REQUEST:
        return None
    wants = [arg[5:] for arg in request.args if arg.startswith("want ")]
    if not wants or "done" not in request.args:
        return None
    if any(arg.startswith(("have ", "want-ref ")) for arg in request.args):
        return None
    refs = await core.refs.get(reading.path)
    if not refs.advertised.issuperset(wants):
        return None
    capabilities = [cap for cap in request.capabilities if not cap.startswith("agent=")]
    return core.packs.key(
        reading.repo.object_format.encode(),
        "\n".join(capabilities).encode(),
        "\n".join(request.args).encode(),
    )


async def _spooled(core: Core, reading: Reading, key: str | None, body: bytes) -> Answer:
    """The kept or growing answer of this key, or a new one being made."""
    answer = core.packs.lookup(reading.repo.id, key) if key is not None else None
    cache = "no" if key is None else "hit" if answer is not None else "miss"
    core.metrics.fetches_total.labels(reading.actor.channel.value, cache).inc()
    if answer is None:
        answer = core.packs.begin(reading.repo.id, key)
        core.tasks.start(_fill(core, reading, answer, body), "make pack")
    return answer


async def _fill(core: Core, reading: Reading, answer: Answer, body: bytes) -> None:
    async def fill(descriptor: int, grew: Callable[[int], None]) -> bool:
        async with _uncached(core, reading, "version=2") as child:
            feeding = core.tasks.start(feed(child, body), "upload-pack request")
            size = 0
            while not core.packs.abandoned(answer):
                count = await child.splice_to(descriptor, size, PIECE)
                if count == 0:
                    break
                size += count
                grew(size)
            else:
                return False
            await feeding
            if await child.wait() != 0:
                answer.is_refusal = 0 < size <= _MAX_REFUSAL
                return answer.is_refusal
            return True

    await core.packs.fill(answer, fill)


async def read_range(answer: Answer, offset: int, length: int) -> bytes:
    """Bytes of a cached answer; at most ``PIECE`` at a time."""
    data = await asyncio.to_thread(os.pread, answer.descriptor, min(length, PIECE), offset)
    if not data:
        raise Bug("A cached pack is shorter than its size.")
    return data


def check_protocol(text: str | None) -> str:
    """The value of ``Git-Protocol``/``GIT_PROTOCOL`` if it is harmless, else nothing.

    Keys and values of letters and digits, joined by colons.
    """
    if not text or len(text) > 100:  # noqa: PLR2004
        return ""
    parts = text.split(":")
    for part in parts:
        key, _, value = part.partition("=")
        if not key.isalnum() or not key.isascii() or (value and not value.isalnum()):
            return ""
    return text


def check_request_size(size: int) -> None:
    """Raises ``Invalid`` for a fetch request over 10 MiB."""
    if size > MAX_REQUEST:
        raise Invalid("The fetch request is too large.", hint="Run git gc in your clone.")
