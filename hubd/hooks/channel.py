"""The two pipe ends over which git's hooks of one push speak to the daemon.

The descriptors are the permission: ``git receive-pack`` inherits them and hands them on to its
hooks, and no other process has them. Wire form of a call, written by ``program.sh``::

    <hook name> LF <environment, NUL-terminated entries> <ref updates, a line each> NUL "." LF

An environment is NUL-separated, so a push option stays data whatever bytes it holds. The answer is
lines ``m TEXT`` for the person, then ``ok`` or ``no``.
"""

from __future__ import annotations

import asyncio
import os
import select
from dataclasses import dataclass

from hubd.errors import Invalid
from hubd.names import is_oid

_END = b"\0.\n"
MAX_CALL_BYTES = 32 * 1024 * 1024
MAX_PUSH_OPTIONS = 64
MAX_PUSH_OPTION_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One line of a push: a ref and the objects before and after (zeros for none)."""

    ref: str
    old: str
    new: str

    @property
    def creates(self) -> bool:
        """Whether the ref did not exist before."""
        return not self.old.strip("0")

    @property
    def deletes(self) -> bool:
        """Whether the ref is to go."""
        return not self.new.strip("0")


@dataclass(frozen=True, slots=True)
class HookCall:
    """What git told one hook."""

    hook: str
    environ: dict[str, str]
    updates: tuple[RefUpdate, ...]

    @property
    def push_options(self) -> tuple[str, ...]:
        """The options of ``git push -o``, in order; raises ``Invalid`` over the limits."""
        count = self.environ.get("GIT_PUSH_OPTION_COUNT", "0")
        if not count.isdigit() or int(count) > MAX_PUSH_OPTIONS:
            raise Invalid(f"A push may have at most {MAX_PUSH_OPTIONS} push options.")
        options = tuple(self.environ.get(f"GIT_PUSH_OPTION_{i}", "") for i in range(int(count)))
        if any(len(option) > MAX_PUSH_OPTION_BYTES for option in options):
            raise Invalid(f"A push option may have at most {MAX_PUSH_OPTION_BYTES} bytes.")
        return options


def parse_call(data: bytes) -> HookCall:
    """Parse a whole call, end mark included; raises ``Invalid`` for anything out of shape."""
    name, newline, rest = data.removesuffix(_END).partition(b"\n")
    hook = name.decode("ascii", "replace")
    if not newline or not data.endswith(_END) or hook not in {"pre-receive", "post-receive"}:
        raise Invalid("The hook's call is malformed.")
    block, _, lines = rest.rpartition(b"\0")
    environ: dict[str, str] = {}
    for entry in block.split(b"\0"):
        key, _, value = entry.partition(b"=")
        environ[os.fsdecode(key)] = os.fsdecode(value)
    return HookCall(
        hook, environ, tuple(_parse_update(line) for line in lines.split(b"\n") if line)
    )


def _parse_update(line: bytes) -> RefUpdate:
    parts = os.fsdecode(line).split(" ", 2)
    if len(parts) != 3 or not (is_oid(parts[0]) and is_oid(parts[1])):  # noqa: PLR2004
        raise Invalid("The hook's call has a malformed ref update.")
    return RefUpdate(ref=parts[2], old=parts[0], new=parts[1])


def printable(text: str) -> str:
    """The text with control characters and undecodable bytes made visible, on one line."""
    return "".join(
        c if c.isprintable() else "".join(f"\\x{b:02x}" for b in os.fsencode(c)) for c in text
    )


class HookChannel:
    """The daemon's side of the pipes; ``child_fds`` goes to ``receive-pack``."""

    def __init__(self) -> None:
        self._from_hook, to_daemon = os.pipe()
        from_daemon, self._to_hook = os.pipe()
        self.child_fds: tuple[int, int] = (to_daemon, from_daemon)
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._child_ends_open = True

    async def started(self) -> None:
        """Drop the child's ends once the child has them, so that its end is seen as such."""
        self._close_child_ends()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_CALL_BYTES)
        pipe = os.fdopen(self._from_hook, "rb", buffering=0)
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._reader = reader

    async def next_call(self) -> HookCall | None:
        """The next hook's call, or None when git has ended; raises ``Invalid``."""
        assert self._reader is not None, "started() comes first"  # noqa: S101
        try:
            return parse_call(await self._reader.readuntil(_END))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Invalid("The hook's call was cut off.") from error
            return None
        except asyncio.LimitOverrunError as error:
            raise Invalid("The push has too many refs or options.") from error

    async def answer(self, lines: list[str], *, accept: bool) -> None:
        """Show the person these lines and end the hook with a verdict."""
        text = "".join(f"m {printable(line)}\n" for line in lines)
        data = (text + ("ok\n" if accept else "no\n")).encode("utf-8", "replace")
        if len(data) <= select.PIPE_BUF:
            _write_all(self._to_hook, data)  # fits: each call has read the answer before
        else:
            # A pipe holds 64 KiB; a hook that does not read must not hold the loop.
            await asyncio.to_thread(_write_all, self._to_hook, data)

    def close(self) -> None:
        """Give all descriptors back; a hook still waiting reads end of file and refuses."""
        self._close_child_ends()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        elif self._from_hook >= 0:
            os.close(self._from_hook)
        self._from_hook = -1
        if self._to_hook >= 0:
            os.close(self._to_hook)
            self._to_hook = -1

    def _close_child_ends(self) -> None:
        if self._child_ends_open:
            self._child_ends_open = False
            for descriptor in self.child_fds:
                os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        return  # the hook is gone, and with it the push
