"""The only door to child processes.

Every child gets its own process group, an environment given whole, and pipes whose daemon's ends
are raw, non-blocking descriptors: pack bytes are moved by ``splice`` or large reads, never through
stream objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubd.errors import Unavailable

PIPE_SIZE = 1024 * 1024
_KEPT_STDERR = 8192
_MAX_OUTPUT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """How a finished command ended."""

    code: int
    out: bytes
    err: bytes


def process_started(pid: int) -> float:
    """When a process started, in clock ticks since boot; 0.0 if there is none (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return float(stat.rpartition(b")")[2].split()[19])


def _pending(descriptor: int) -> int:
    """How many bytes a pipe holds."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))[0])


class Child:
    """A running child; its pipes are read and written by one task each at a time."""

    def __init__(self, process: Process, stdin: int | None, stdout: int | None) -> None:
        self._process = process
        self._stdin = stdin
        self._stdout = stdout
        self._err = bytearray()
        self._draining = asyncio.create_task(self._drain_stderr())

    @property
    def pid(self) -> int:
        """Process id, and id of the process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status; negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def error_text(self) -> str:
        """The end of what it wrote to standard error."""
        return bytes(self._err).decode("utf-8", "replace").strip()

    async def _drain_stderr(self) -> None:
        stream = self._process.stderr
        while stream is not None and (piece := await stream.read(65536)):
            self._err += piece
            del self._err[:-_KEPT_STDERR]

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes of standard output; empty at its end."""
        while self._stdout is not None:
            try:
                return os.read(self._stdout, size)
            except BlockingIOError:
                await self._ready(self._stdout, read=True)
        return b""

    async def readable(self) -> int:
        """Wait for output; how many bytes the pipe holds, 0 at the end."""
        while self._stdout is not None:
            count = _pending(self._stdout)
            if count:
                return count
            await self._ready(self._stdout, read=True)
            if not _pending(self._stdout) and self._ended():
                return 0
        return 0

    def _ended(self) -> bool:
        """Whether an empty, readable pipe is at its end."""
        assert self._stdout is not None, "asked after a wait on it"  # noqa: S101
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        return any(event & select.POLLHUP for _, event in poll.poll(0)) and not _pending(
            self._stdout
        )

    def splice_some(self, target: int, count: int) -> int:
        """Move up to ``count`` bytes of output to a socket or pipe; may raise BlockingIOError."""
        if self._stdout is None:
            return 0
        return os.splice(self._stdout, target, count)

    async def splice_to(self, file: int, offset: int, count: int) -> int:
        """Move up to ``count`` bytes of output into a file at an offset; 0 at the end."""
        if self._stdout is None or not await self.readable():
            return 0
        return await asyncio.to_thread(os.splice, self._stdout, file, count, None, offset)

    async def write(self, data: bytes) -> None:
        """All of ``data`` to standard input; raises BrokenPipeError if it is closed."""
        view = memoryview(data)
        while view:
            if self._stdin is None:
                raise BrokenPipeError
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await self._ready(self._stdin, read=False)

    async def _ready(self, descriptor: int, *, read: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        if read:
            loop.add_reader(descriptor, wake)
        else:
            loop.add_writer(descriptor, wake)
        try:
            await ready
        finally:
            if read:
                loop.remove_reader(descriptor)
            else:
                loop.remove_writer(descriptor)

    def close_stdin(self) -> None:
        """Tell the child that no more comes."""
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None

    def close_stdout(self) -> None:
        """Read no more."""
        if self._stdout is not None:
            os.close(self._stdout)
            self._stdout = None

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        return await self._process.wait()

    async def drained(self) -> None:
        """Wait until standard error is read to its end, after the child has ended."""
        await asyncio.wait([self._draining], timeout=1.0)

    async def kill(self) -> None:
        """End the whole process group if it still runs, reap it, and give the pipes back."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        self.close_stdin()
        self.close_stdout()
        self._draining.cancel()
        await asyncio.gather(self._draining, return_exceptions=True)


async def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdin: bool = True,
    stdout: bool = True,
    pass_fds: Sequence[int] = (),
    nice: int = 0,
) -> Child:
    """Start a long-lived child."""
    theirs: list[int] = []
    ours: list[int | None] = [None, None]
    try:
        if stdin:
            read_end, ours[0] = _pipe()
            theirs.append(read_end)
        if stdout:
            ours[1], write_end = _pipe()
            theirs.append(write_end)
        command = ["nice", "-n", str(nice), *argv] if nice else list(argv)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=theirs[0] if stdin else DEVNULL,
            stdout=theirs[-1] if stdout else DEVNULL,
            stderr=PIPE,
            env=dict(env),
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            process_group=0,
        )
    except BaseException as error:
        for descriptor in ours:
            if descriptor is not None:
                os.close(descriptor)
        if isinstance(error, OSError):
            raise Unavailable("A program that the hub needs cannot be started.") from error
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    for descriptor in ours:
        if descriptor is not None:
            os.set_blocking(descriptor, False)
    return Child(process, ours[0], ours[1])


def _pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe()
    # An unprivileged user may be at its pipe quota; a small pipe works as well, only slower.
    with contextlib.suppress(PermissionError):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return read_end, write_end


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdin: bytes | None = None,
    timeout: float,
    max_output: int = _MAX_OUTPUT,
    nice: int = 0,
) -> Result:
    """Run a command to its end; raises ``Unavailable`` after ``timeout`` seconds.

    Output over ``max_output`` bytes ends it likewise.
    """
    child = await start(argv, env=env, cwd=cwd, stdin=stdin is not None, nice=nice)
    feeding = asyncio.create_task(_feed(child, stdin or b""))
    out = bytearray()
    try:
        async with asyncio.timeout(timeout):
            while piece := await child.read(256 * 1024):
                out += piece
                if len(out) > max_output:
                    raise Unavailable("A command printed more than the hub reads.")
            code = await child.wait()
            await child.drained()
    except TimeoutError:
        raise Unavailable(
            "A command took too long.", details={"argv": list(argv)[:12], "timeout": timeout}
        ) from None
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await asyncio.shield(child.kill())
    return Result(code, bytes(out), child.error_text.encode())


async def _feed(child: Child, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        await child.write(data)
    child.close_stdin()
