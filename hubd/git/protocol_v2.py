"""Refs as git's protocols tell them: ``ls-refs`` of version 2, and a push's first answer."""

from __future__ import annotations

from dataclasses import dataclass

from hubd.errors import Invalid
from hubd.git.argv import HIDDEN_REFS
from hubd.git.refs import Refs
from hubd.pktline import FLUSH, encode, packets

_MAX_PREFIXES = 65536
# Clients ask in few ways; whoever invents more gets each answer made afresh.
_MAX_RENDERED = 8


@dataclass(frozen=True, slots=True)
class V2Request:
    """One request: its command, the capabilities the client named, and the arguments."""

    command: str
    capabilities: tuple[str, ...]
    args: tuple[str, ...]


def parse_v2_request(body: bytes) -> V2Request:
    """Parse a whole request; raises ``Invalid``."""
    sections: list[list[str]] = [[]]
    for packet in packets(body):
        if packet is None:
            sections.append([])
        else:
            sections[-1].append(packet.decode("utf-8", "surrogateescape").removesuffix("\n"))
    head = sections[0]
    if not head or not head[0].startswith("command="):
        raise Invalid("The request names no command.")
    args = sections[1] if len(sections) > 1 else []
    return V2Request(head[0].removeprefix("command="), tuple(head[1:]), tuple(args))


def render_ls_refs(refs: Refs, request: V2Request) -> bytes:
    """The answer to ``ls-refs``, as git itself would give it; hidden refs stay out."""
    known = refs.rendered.get(request.args)
    if known is None:
        known = _render(refs, request)
        if len(refs.rendered) < _MAX_RENDERED:
            refs.rendered[request.args] = known
    return known


def _render(refs: Refs, request: V2Request) -> bytes:
    prefixes = tuple(arg[11:] for arg in request.args if arg.startswith("ref-prefix "))
    if len(prefixes) >= _MAX_PREFIXES:
        prefixes = ()
    symrefs, peel = "symrefs" in request.args, "peel" in request.args
    unborn = "unborn" in request.args
    lines: list[bytes] = []
    if not prefixes or "HEAD".startswith(prefixes):
        head = refs.head_oid
        target = f" symref-target:{refs.head}" if symrefs else ""
        if head is not None:
            lines.append(_line(f"{head} HEAD{target}{_peeled(refs, refs.head, peel=peel)}"))
        elif unborn and symrefs and refs.head:
            lines.append(_line(f"unborn HEAD{target}"))
    for name, (oid, peeled) in refs.names.items():
        if name.startswith(HIDDEN_REFS + "/") or (prefixes and not name.startswith(prefixes)):
            continue
        attribute = f" peeled:{peeled}" if peel and peeled else ""
        lines.append(_line(f"{oid} {name}{attribute}"))
    return b"".join(lines) + FLUSH


def _peeled(refs: Refs, name: str, *, peel: bool) -> str:
    peeled = refs.names[name][1]
    return f" peeled:{peeled}" if peel and peeled else ""


def _line(text: str) -> bytes:
    return encode(text.encode("utf-8", "surrogateescape") + b"\n")


def render_receive_refs(refs: Refs, empty: bytes, *, version_1: bool) -> bytes:
    """The ref advertisement of ``receive-pack`` (gitprotocol-pack), as git itself would give it.

    ``empty`` is git's own for an empty repository, from which the capabilities are taken.
    """
    greeting = encode(b"version 1\n") if version_1 else b""
    shown = [(name, oid) for name, (oid, _) in refs.names.items() if not _is_hidden(name)]
    if not shown:
        return greeting + empty
    packet = next(packet for packet in packets(empty) if packet is not None)
    capabilities = packet.partition(b"\0")[2]
    (first, oid), *rest = shown
    head = f"{oid} {first}".encode("utf-8", "surrogateescape")
    lines = [encode(head + b"\0" + capabilities), *(_line(f"{oid} {name}") for name, oid in rest)]
    return greeting + b"".join(lines) + FLUSH


def _is_hidden(name: str) -> bool:
    return name.startswith(HIDDEN_REFS + "/")
