"""pkt-line, the framing of git's protocols (gitprotocol-common): four hex digits, then the data."""

from __future__ import annotations

from collections.abc import Iterator

from hubd.errors import Invalid

FLUSH = b"0000"
DELIM = b"0001"
RESPONSE_END = b"0002"
HEAD_SIZE = 4
MAX_DATA = 65516
_HEX = frozenset(b"0123456789abcdefABCDEF")


def encode(data: bytes) -> bytes:
    """One packet; raises ``Invalid`` over 65,516 bytes."""
    if len(data) > MAX_DATA:
        raise Invalid("A packet line is too long.")
    return b"%04x%s" % (len(data) + HEAD_SIZE, data)


def err_packet(text: str) -> bytes:
    """An error that the git client shows and stops at."""
    return encode(b"ERR " + text.encode()[: MAX_DATA - HEAD_SIZE])


def packets(data: bytes) -> Iterator[bytes | None]:
    """The packets of a whole message; None for flush, delimiter and response end alike.

    Raises ``Invalid`` for anything malformed or cut off.
    """
    position = 0
    while position < len(data):
        head = data[position : position + HEAD_SIZE]
        length = parse_length(head)
        if length < HEAD_SIZE:
            yield None
            position += HEAD_SIZE
            continue
        if position + length > len(data):
            raise Invalid("A packet line is cut off.")
        yield data[position + HEAD_SIZE : position + length]
        position += length


def parse_length(head: bytes) -> int:
    """The length a packet's head tells, itself included; 0, 1, 2 are the special packets."""
    if len(head) != HEAD_SIZE or not _HEX.issuperset(head):
        raise Invalid("A packet line is malformed.")
    length = int(head, 16)
    if length == 3 or length > MAX_DATA + HEAD_SIZE:  # noqa: PLR2004
        raise Invalid("A packet line has an impossible length.")
    return length


def sideband(band: int, data: bytes) -> bytes:
    """Packets that carry the data in a band of ``side-band-64k``: 1 data, 2 progress, 3 error."""
    step = MAX_DATA - 1
    return b"".join(
        encode(bytes((band,)) + data[start : start + step]) for start in range(0, len(data), step)
    )
