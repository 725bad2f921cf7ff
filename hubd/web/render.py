"""Markdown and colours, made by a few child processes with little memory and two seconds each.

A document that takes longer, or kills its child, is shown as plain text; the child is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import web
from markupsafe import Markup, escape

from hubd import procs
from hubd.errors import Unavailable

MAX_TEXT = 512 * 1024
CHILDREN = 2
SECONDS = 2.0
_START_SECONDS = 20.0
_QUEUE_SECONDS = 5.0
_JOBS_PER_CHILD = 500
_IDLE_SECONDS = 300.0
_MAX_ANSWER = 16 * 1024 * 1024
_PROGRAM = Path(__file__).with_name("render_child.py")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Code:
    """A text as lines of HTML; ``language`` is empty if it has no colours."""

    lines: list[Markup]
    language: str


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown document as clean HTML; None where it could not be rendered."""

    html: Markup | None
    front_matter: str


class _Worker:
    def __init__(self, child: procs.Child) -> None:
        self._child = child
        self.jobs = 0

    @classmethod
    async def start(cls) -> _Worker:
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        argv = [sys.executable, "-I", "-B", str(_PROGRAM)]
        worker = cls(await procs.start(argv, env=environment))
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker._answer()
        except BaseException:
            await worker.close()
            raise
        return worker

    async def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        self.jobs += 1
        data = msgspec.json.encode(job)
        await self._child.write(len(data).to_bytes(4, "big") + data)
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        length = int.from_bytes(await self._exactly(4), "big")
        if length > _MAX_ANSWER:
            raise ValueError("the answer is too long")
        found: dict[str, Any] = msgspec.json.decode(await self._exactly(length))
        return found

    async def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = await self._child.read(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    async def close(self) -> None:
        await self._child.kill()


class Renderer:
    """The pool; children start when the first document comes and end when none has for long."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._places = asyncio.Semaphore(CHILDREN)
        self._free: list[_Worker] = []
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False

    async def code(self, text: str, name: str) -> Code:
        """The lines of a text file, coloured by the language that its name tells."""
        answer = None
        if len(text) <= MAX_TEXT:
            answer = await self._ask({"kind": "code", "text": _sendable(text), "name": name})
        if answer is None:
            return plain(text)
        # Pygments escapes everything it prints.
        return Code([Markup(line) for line in answer["lines"]], answer["language"])  # noqa: S704

    async def markdown(self, text: str, *, folder: str, blob: str, raw: str) -> Document:
        """A document; ``blob`` and ``raw`` are the addresses its relative links begin with."""
        if len(text) > MAX_TEXT:
            return Document(None, "")
        answer = await self._ask(
            {
                "kind": "markdown",
                "text": _sendable(text),
                "folder": _sendable(folder),
                "blob": blob,
                "raw": raw,
            }
        )
        if answer is None:
            return Document(None, "")
        # The child has cleaned it with nh3; this is the only place that trusts HTML from content.
        return Document(Markup(answer["html"]), answer["front_matter"])  # noqa: S704

    async def _ask(self, job: dict[str, Any]) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            return None
        worker: _Worker | None = None
        healthy = False
        try:
            worker = self._free.pop() if self._free else await _Worker.start()
            async with asyncio.timeout(self._seconds):
                answer = await worker.ask(job)
            healthy = not self._closed and worker.jobs < _JOBS_PER_CHILD
        except (TimeoutError, EOFError, OSError, ValueError, Unavailable) as error:
            log.info("render.gave_up", kind=job["kind"], reason=type(error).__name__)
            return None
        finally:
            if worker is not None:
                await self._give_back(worker, healthy=healthy)
            self._places.release()
        return None if "failed" in answer else answer

    async def _give_back(self, worker: _Worker, *, healthy: bool) -> None:
        if not healthy:
            await worker.close()
            return
        self._free.append(worker)
        if self._reaper is not None:
            self._reaper.cancel()
        self._reaper = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        await asyncio.sleep(_IDLE_SECONDS)
        await self._end_free()

    async def _end_free(self) -> None:
        while self._free:
            await self._free.pop().close()

    async def close(self) -> None:
        """End the children."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reaper
        await self._end_free()


RENDERER: web.AppKey[Renderer] = web.AppKey("renderer", Renderer)


def plain(text: str) -> Code:
    """The lines of a text without colours."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return Code([escape(line) for line in lines], "")


def _sendable(text: str) -> str:
    """The text without lone surrogates, which JSON cannot carry."""
    return text.encode("utf-8", "replace").decode()
