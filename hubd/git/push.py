"""A push that the hub makes to itself: the request of ``receive-pack`` and its report.

The form is that of gitprotocol-pack ("Pushing Data To a Server") over a stateless transport, as
``git receive-pack --stateless-rpc`` takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import msgspec

from hubd.errors import Bug, Invalid
from hubd.git.packs import empty_pack, object_format_of
from hubd.git.write import Pack
from hubd.pktline import FLUSH, encode, packets
from hubd.procs import Child

_PIECE = 256 * 1024
_MAX_ANSWER = 16 * 1024 * 1024
_DATA, _PROGRESS, _ERROR = 1, 2, 3


class RefMove(msgspec.Struct, frozen=True):
    """A ref to move from one object to another; an id of zeros stands for none."""

    ref: str
    old: str
    new: str

    @property
    def deletes(self) -> bool:
        """Whether the ref is to go."""
        return not self.new.strip("0")


class Report(msgspec.Struct, frozen=True):
    """What ``receive-pack`` says: per ref None for done, else the reason; and what hooks said."""

    unpack: str
    refs: dict[str, str | None]
    messages: str

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return self.unpack == "ok" and all(reason is None for reason in self.refs.values())


def push_request(
    moves: Sequence[RefMove],
    options: Sequence[str] = (),
    pack: Pack | None = None,
    *,
    atomic: bool = True,
) -> Iterator[bytes]:
    """The bytes of a push; without a pack an empty one where the protocol wants one.

    Raises ``Invalid`` before the first piece if a ref or an option has a line feed or NUL.
    """
    if not moves:
        raise Invalid("A push moves at least one ref.")
    texts = [*(move.ref for move in moves), *options]
    if any("\n" in text or "\0" in text for text in texts):
        raise Invalid("A ref name or push option must not have a line feed or NUL character.")
    return _request(moves, options, pack, atomic=atomic)


def _request(
    moves: Sequence[RefMove], options: Sequence[str], pack: Pack | None, *, atomic: bool
) -> Iterator[bytes]:
    object_format = object_format_of(moves[0].new)
    wanted = ["report-status", "side-band-64k", f"object-format={object_format}", "agent=hubd"]
    wanted += ["atomic"] * atomic + ["push-options"] * bool(options)
    capabilities = "\0 " + " ".join(wanted)
    for move in moves:
        line = f"{move.old} {move.new} {move.ref}{capabilities}"
        yield encode(line.encode("utf-8", "surrogateescape"))
        capabilities = ""
    yield FLUSH
    if options:
        for option in options:
            yield encode(option.encode("utf-8", "surrogateescape"))
        yield FLUSH
    if pack is not None:
        pack.file.seek(0)
        while piece := pack.file.read(_PIECE):
            yield piece
    elif not all(move.deletes for move in moves):
        yield empty_pack(object_format)


async def send(child: Child, request: Iterator[bytes]) -> Report:
    """Feed a ``receive-pack`` that speaks statelessly, and read its report to the end."""

    async def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            for piece in request:
                await child.write(piece)
        child.close_stdin()

    feeding = asyncio.create_task(feed())
    answer = bytearray()
    try:
        while piece := await child.read(_PIECE):
            answer += piece
            if len(answer) > _MAX_ANSWER:
                raise Bug("receive-pack said too much.")
        await feeding
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    return parse_report(bytes(answer), child.error_text)


def parse_report(answer: bytes, stderr: str = "") -> Report:
    """Parse what ``receive-pack`` answers to ``push_request``; raises ``Bug`` without a report."""
    report = bytearray()
    messages = bytearray()
    try:
        for packet in packets(answer):
            if packet and packet[0] == _DATA:
                report += packet[1:]
            elif packet and packet[0] in {_PROGRESS, _ERROR}:
                messages += packet[1:]
        lines = [packet for packet in packets(bytes(report)) if packet is not None]
    except Invalid:
        lines = []
    text = messages.decode("utf-8", "replace")
    if not lines or not lines[0].startswith(b"unpack "):
        raise Bug("receive-pack gave no report.", details={"stderr": stderr, "messages": text})
    unpack = lines[0].removeprefix(b"unpack ").decode("utf-8", "replace").strip()
    refs: dict[str, str | None] = {}
    for line in lines[1:]:
        verdict, _, rest = line.decode("utf-8", "surrogateescape").rstrip("\n").partition(" ")
        if verdict == "ok":
            refs[rest] = None
        elif verdict == "ng":
            ref, _, reason = rest.partition(" ")
            refs[ref] = reason
    return Report(unpack, refs, text)
