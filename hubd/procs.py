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
import resource
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hubd.errors import Unavailable

PIPE_SIZE = 1024 * 1024
_LITTLE = 256 * 1024
_MUCH = 1024 * 1024
_MOMENT = 0.001
KILL_GRACE = 2.0
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


def _ended(descriptor: int) -> bool:
    """Whether a readable pipe is empty and has no writer any more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    hung_up = any(event & select.POLLHUP for _, event in poll.poll(0))
    return hung_up and not _pending(descriptor)


class Child:
    """A running child; its pipes are read and written by one task each at a time.

    When it ends, what is left of its process group is killed: nothing outlives the one who asked.
    """

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        pidfd: int,
        stdin: int | None,
        stdout: int | None,
        stderr: int,
    ) -> None:
        self._popen = popen
        self._pidfd = pidfd
        self._stdin = stdin
        self._stdout = stdout
        self._stderr: int | None = stderr
        self._err = bytearray()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = self._loop.create_future()
        # One descriptor instead of a thread or a signal handler, whatever watcher asyncio has.
        self._loop.add_reader(pidfd, self._on_exit)
        self._loop.add_reader(stderr, self._on_stderr)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def pid(self) -> int:
        """Process id, and id of the process group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status; negative for a signal; None while it runs."""
        return self._popen.returncode

    @property
    def error_text(self) -> str:
        """The end of what it wrote to standard error."""
        return bytes(self._err).decode("utf-8", "replace").strip()

    def _on_exit(self) -> None:
        # Not reaped yet, so that the number of its group cannot belong to anyone else.
        self._signal(signal.SIGKILL)
        code = self._popen.wait()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        while self._on_stderr():
            pass
        self._close_stderr()
        if not self._exited.done():
            self._exited.set_result(code)

    def _on_stderr(self) -> bool:
        """Take what is there; whether there may be more."""
        if self._stderr is None:
            return False
        try:
            piece = os.read(self._stderr, _KEPT_STDERR)
        except BlockingIOError:
            return False
        if not piece:
            self._close_stderr()
            return False
        self._err += piece
        del self._err[:-_KEPT_STDERR]
        return True

    def _close_stderr(self) -> None:
        if self._stderr is not None:
            self._loop.remove_reader(self._stderr)
            os.close(self._stderr)
            self._stderr = None

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
            if self._stdout is None or _ended(self._stdout):
                return 0
        return 0

    async def gathered(self, taken: int) -> int:
        """As ``readable``; once much was ``taken`` (bytes), a little waits for more to come.

        git writes packs in pieces of 8 KiB, each of which would cost more than its bytes.
        """
        count = await self.readable()
        if 0 < count < _LITTLE and taken > _MUCH:
            await asyncio.sleep(_MOMENT)
            count = await self.readable()
        return count

    def splice_some(self, target: int, count: int) -> int:
        """Move up to ``count`` bytes of output to a socket or pipe; may raise BlockingIOError."""
        if self._stdout is None:
            return 0
        return os.splice(self._stdout, target, count)

    async def splice_to(self, file: int, offset: int, count: int) -> int:
        """Move up to ``count`` bytes of output into a file at an offset; 0 at the end."""
        if self._stdout is None or not await self.gathered(offset):
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
        """Wait until the pipe can be used, or is closed by another task."""
        ready: asyncio.Future[None] = self._loop.create_future()
        self._waiting[descriptor] = ready

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        if read:
            self._loop.add_reader(descriptor, wake)
        else:
            self._loop.add_writer(descriptor, wake)
        try:
            await ready
        finally:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        """Stop watching, unless that was done: the number may be another pipe's by now."""
        ready = self._waiting.pop(descriptor, None)
        if ready is not None:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
            if not ready.done():
                ready.set_result(None)

    def close_stdin(self) -> None:
        """Tell the child that no more comes."""
        if self._stdin is not None:
            descriptor, self._stdin = self._stdin, None
            self._forget(descriptor)
            os.close(descriptor)

    def close_stdout(self) -> None:
        """Read no more."""
        if self._stdout is not None:
            descriptor, self._stdout = self._stdout, None
            self._forget(descriptor)
            os.close(descriptor)

    async def wait(self) -> int:
        """Its exit status, once it has ended and its standard error is read."""
        return await asyncio.shield(self._exited)

    async def finish(self, seconds: float = KILL_GRACE) -> None:
        """Close its input and let it end by itself; after so many seconds ``kill`` it.

        For a ``receive-pack`` whose client is gone: on a signal git would leave its quarantine.
        """
        self.close_stdin()
        if not self._exited.done():
            await asyncio.wait([self._exited], timeout=seconds)
        await self.kill()

    async def kill(self, grace: float = KILL_GRACE) -> None:
        """End the whole process group if it still runs, reap it, and give the pipes back.

        First SIGTERM, on which git removes its lock files; after ``grace`` seconds SIGKILL.
        """
        try:
            if not self._exited.done() and grace > 0:
                self._signal(signal.SIGTERM)
                await asyncio.wait([self._exited], timeout=grace)
        finally:
            if not self._exited.done():
                self._signal(signal.SIGKILL)
        await self.wait()
        self.close_stdin()
        self.close_stdout()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


@dataclass(slots=True)
class _Pipes:
    """Both sides of a child's pipes while it is being started."""

    ours: dict[str, int]
    theirs: dict[str, int]

    def add(self, name: str, size: int) -> int:
        """Make a pipe; returns the child's end."""
        read_end, write_end = os.pipe()
        inward = name == "stdin"
        self.theirs[name], self.ours[name] = (
            (read_end, write_end) if inward else (write_end, read_end)
        )
        os.set_blocking(self.ours[name], False)
        if size:
            # An unprivileged user may be at its pipe quota; a small pipe works too, only slower.
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, size)
        return self.theirs[name]

    def close(self, ends: dict[str, int]) -> None:
        """Close one side."""
        for descriptor in ends.values():
            os.close(descriptor)


async def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdin: bool = True,
    stdout: bool = True,
    stdin_fd: int | None = None,
    stdout_fd: int | None = None,
    pass_fds: Sequence[int] = (),
    pipe_size: int = PIPE_SIZE,
    nice: int = 0,
) -> Child:
    """Start a long-lived child.

    ``stdin_fd`` and ``stdout_fd`` are used instead of pipes of ours, to join two children.
    ``pipe_size`` is in bytes; 0 leaves the usual one: large pipes count against a quota of the
    account (pipe(7)).
    """
    pipes = _Pipes({}, {})
    popen: subprocess.Popen[bytes] | None = None
    child_in = subprocess.DEVNULL if stdin_fd is None else stdin_fd
    child_out = subprocess.DEVNULL if stdout_fd is None else stdout_fd
    try:
        # Returns as soon as the child has called exec, about a millisecond later.
        popen = subprocess.Popen(  # noqa: ASYNC220
            ["nice", "-n", str(nice), *argv] if nice else list(argv),
            stdin=pipes.add("stdin", pipe_size) if stdin and stdin_fd is None else child_in,
            stdout=pipes.add("stdout", pipe_size) if stdout and stdout_fd is None else child_out,
            stderr=pipes.add("stderr", 0),
            env=dict(env),
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            process_group=0,
        )
        pidfd = os.pidfd_open(popen.pid)
    except OSError as error:
        pipes.close(pipes.ours)
        if popen is not None:
            popen.kill()
            popen.wait()
        raise Unavailable(
            "A program that the hub needs cannot be started.",
            details={"program": argv[0], "error": str(error)},
        ) from error
    finally:
        pipes.close(pipes.theirs)
    # A core dump would hold what the child read, secrets among it.
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(popen.pid, resource.RLIMIT_CORE, (0, 0))
    ours = pipes.ours
    return Child(popen, pidfd, ours.get("stdin"), ours.get("stdout"), ours["stderr"])


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
    child = await start(argv, env=env, cwd=cwd, stdin=stdin is not None, pipe_size=0, nice=nice)
    feeding = asyncio.create_task(_feed(child, stdin or b""))
    out = bytearray()
    try:
        async with asyncio.timeout(timeout):
            while piece := await child.read(256 * 1024):
                out += piece
                if len(out) > max_output:
                    raise Unavailable("A command printed more than the hub reads.")
            code = await child.wait()
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
