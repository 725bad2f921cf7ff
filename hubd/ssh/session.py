"""One command of one SSH client: parse it, call the core, carry bytes both ways."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import asyncssh
import structlog

from hubd.core import auditing, fetch, push
from hubd.core.context import Core
from hubd.core.packcache import Answer
from hubd.errors import HubError, NotFound
from hubd.pktline import FLUSH, err_packet
from hubd.procs import Child
from hubd.ssh import lfs
from hubd.ssh.command import Command, parse_command
from hubd.ssh.input import Input
from hubd.ssh.lfs_transfer import Transfer
from hubd.types import Actor

if TYPE_CHECKING:
    from hubd.ssh.server import Connection

log = structlog.get_logger()
_READ = 256 * 1024


class GitSession(asyncssh.SSHServerSession[bytes]):
    """A channel: exactly one command, or a greeting."""

    def __init__(self, core: Core, connection: Connection) -> None:
        self._core = core
        self._connection = connection
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._input = Input()
        self._window = asyncio.Event()
        self._window.set()
        self._task: asyncio.Task[None] | None = None
        self._request_id = secrets.token_hex(8)
        self._actor: Actor | None = None
        self.sent = 0

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = self._input.channel = chan
        self._connection.sessions += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed: whatever still runs for it ends."""
        del exc
        self._connection.sessions -= 1
        self._input.end()
        self._window.set()
        if self._task is not None:
            self._task.cancel()

    def exec_requested(self, command: str) -> bool:
        """Start the one command."""
        if self._task is None:
            self._task = self._core.tasks.start(self._run(command), "ssh command")
        return True

    def shell_requested(self) -> bool:
        """``ssh -T`` is greeted by name."""
        if self._task is None:
            self._task = self._core.tasks.start(self._run(None), "ssh greeting")
        return True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Bytes for git."""
        del datatype
        self._input.add(data)

    def eof_received(self) -> bool:
        """The client has said all; our answer may go on."""
        self._input.end()
        return True

    def pause_writing(self) -> None:
        """The client's window is full."""
        self._window.clear()

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self._window.set()

    async def _run(self, command: str | None) -> None:
        code = 1
        structlog.contextvars.bind_contextvars(request_id=self._request_id)
        try:
            code = await self._serve(command)
        except HubError as error:
            if self._actor is not None:
                auditing.note_denied(self._core, self._actor, f"ssh {command or ''}", error)
            self._say(error.sentence)
        except (TimeoutError, OSError, asyncssh.Error) as error:
            log.info("ssh.client_gone", reason=type(error).__name__)
            self._say("The connection stood still for too long.")
        except asyncio.CancelledError:
            log.info("ssh.client_gone", reason="closed")
        except Exception:
            # An exception that leaves a handler would close the client's whole connection.
            log.exception("ssh.failed")
            self._say(f"Internal error, id {self._request_id}. Tell the operator this id.")
        finally:
            self._core.metrics.fetch_bytes_total.inc(self.sent)
        channel = self._channel
        if channel is not None and not channel.is_closing():
            channel.exit(code)

    def _say(self, text: str) -> None:
        channel = self._channel
        if channel is not None and not channel.is_closing():
            channel.write_stderr(f"hubd: {text}\n".encode())

    async def _serve(self, text: str | None) -> int:
        actor = await self._connection.actor(self._request_id)
        if actor is None:
            raise NotFound("No account has this key any more.")
        self._actor = actor
        if text is None:
            self._say(f"Hi {actor.name}! You are signed in; this server offers git only.")
            return 0
        command = parse_command(text)
        log.info("ssh.command", actor=actor.name, service=command.service, repo=command.ref.path)
        if command.service == "lfs-authenticate":
            await self.write(await lfs.authenticate(self._core, actor, self._connection, command))
            return 0
        if command.service == "lfs-transfer":
            await Transfer(self._core, actor, command, self._input, self.write).serve()
            return 0
        channel = self._channel
        assert channel is not None, "a command comes over a channel"  # noqa: S101
        protocol = fetch.check_protocol(channel.get_environment().get("GIT_PROTOCOL"))
        if command.service == "receive-pack":
            return await self._receive(actor, command, protocol)
        return await self._upload(actor, command, protocol)

    async def _upload(self, actor: Actor, command: Command, protocol: str) -> int:
        reading = await fetch.admit(self._core, actor, command.ref)
        if "version=2" not in protocol.split(":"):
            async with fetch.answer_v0(self._core, reading, protocol, stateless=False) as child:
                return await self._converse(child)
        await self.write(await fetch.advertise(self._core, reading, protocol))
        while True:
            body = await self._input.read_request()
            if body is None:
                return 0
            try:
                async with fetch.answer_v2(self._core, reading, body) as source:
                    if source.data is not None:
                        await self.write(source.data)
                    elif source.answer is not None:
                        await self._send_answer(source.answer)
                    elif source.child is not None:
                        await self._send_child(source.child)
            except HubError as error:
                await self.write(err_packet(error.sentence) + FLUSH)
                return 1

    async def _receive(self, actor: Actor, command: Command, protocol: str) -> int:
        reading = await push.admit(self._core, actor, command.ref)
        async with push.receive(self._core, reading, protocol, stateless=False) as running:
            return await self._converse(running.child)

    async def _converse(self, child: Child) -> int:
        """Both directions at once, until git has said all."""
        feeding = asyncio.create_task(self._feed(child))
        try:
            await self._send_child(child)
            return await child.wait()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _feed(self, child: Child) -> None:
        try:
            while piece := await self._input.read():
                await child.write(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            child.close_stdin()

    async def _send_child(self, child: Child) -> None:
        while await child.gathered(self.sent):
            await self.write(await child.read(_READ))

    async def _send_answer(self, answer: Answer) -> None:
        async for begin, size in answer.ranges():
            for offset in range(begin, begin + size, _READ):
                length = min(_READ, begin + size - offset)
                await self.write(await fetch.read_range(answer, offset, length))

    async def write(self, data: bytes) -> None:
        """Send when both the client's window and the TCP transport have room."""
        channel = self._channel
        if channel is None or channel.is_closing():
            raise ConnectionResetError
        channel.write(data)
        self.sent += len(data)
        if self._window.is_set() and self._connection.writable.is_set():
            return
        async with asyncio.timeout(self._core.config.idle_timeout):
            await self._window.wait()
            await self._connection.writable.wait()
