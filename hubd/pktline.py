"""pkt-line, the framing of git's protocols (gitprotocol-common): four hex digits, then the data."""

from __future__ import annotations

from collections.abc import Iterator

from hubd.errors import Invalid

FLUSH = b"0000"
DELIM = b"0001"
RESPONSE_END = b"0002"
MAX_DATA = 65516


def encode(data: bytes) -> bytes:
    """One packet; raises ``Invalid`` over 65,516 bytes."""
    if len(data) > MAX_DATA:
        raise Invalid("A packet line is too long.")
    return b"%04x%s" % (len(data) + 4, data)


def err_packet(text: str) -> bytes:
    """An error that the git client shows and stops at."""
    return encode(b"ERR " + text.encode()[: MAX_DATA - 4])


def packets(data: bytes) -> Iterator[bytes | None]:
    """The packets of a whole message; None for flush, delimiter and response end alike.

    Raises ``Invalid`` for anything malformed or cut off.
    """
    position = 0
    while position < len(data):
        head = data[position : position + 4]
        length = parse_length(head)
        if length < 4:  # noqa: PLR2004
            yield None
            position += 4
            continue
        if position + length > len(data):
            raise Invalid("A packet line is cut off.")
        yield data[position + 4 : position + length]
        position += length


def parse_length(head: bytes) -> int:
    """The length a packet's head tells, itself included; 0, 1, 2 are the special packets."""
    if len(head) != 4 or not head.isalnum():  # noqa: PLR2004
        raise Invalid("A packet line is malformed.")
    try:
        length = int(head, 16)
    except ValueError:
        raise Invalid("A packet line is malformed.") from None
    if length == 3 or length > MAX_DATA + 4:  # noqa: PLR2004
        raise Invalid("A packet line has an impossible length.")
    return length
