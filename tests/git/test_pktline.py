"""Packet lines: what is encoded comes back, and nothing malformed does (T33)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd import pktline
from hubd.errors import Invalid

MARKERS = {pktline.FLUSH, pktline.DELIM, pktline.RESPONSE_END}


@given(
    st.lists(
        st.one_of(st.binary(max_size=99), st.sampled_from(sorted(MARKERS)).map(lambda _: None))
    )
)
def test_what_is_encoded_comes_back(items: list[bytes | None]) -> None:
    data = b"".join(pktline.FLUSH if item is None else pktline.encode(item) for item in items)
    assert list(pktline.packets(data)) == items
    for cut in range(len(data)):
        # A message that is cut off never gives a packet that was not sent whole.
        found: list[bytes | None] = []
        with contextlib.suppress(Invalid):
            found.extend(pktline.packets(data[:cut]))
        assert found == items[: len(found)]


@given(st.binary(max_size=200))
def test_t33_any_bytes_give_packets_or_invalid(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert sum(len(packet or b"") for packet in pktline.packets(data)) <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"0003",
        b"fff1",
        b"ffff" + b"x" * 70000,
        b"zzzz",
        b"0x1f",
        b"+004",
        b" 004",
        b"00",
        b"000ax",
        b"0_04",
        b"\xd9\xa0" * 2,
        b"-001",
    ],
)
def test_t33_impossible_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        list(pktline.packets(data))


def test_lengths_have_a_limit_and_upper_case_is_fine() -> None:
    longest = b"x" * pktline.MAX_DATA
    assert list(pktline.packets(pktline.encode(longest))) == [longest]
    with pytest.raises(Invalid):
        pktline.encode(longest + b"x")
    assert list(pktline.packets(b"000Ahello\n")) == [b"hello\n"]


@given(st.integers(1, 3), st.integers(0, 200_000))
def test_bands_carry_everything_in_whole_packets(band: int, size: int) -> None:
    data = b"y" * size
    found = list(pktline.packets(pktline.sideband(band, data)))
    assert b"".join((packet or b"")[1:] for packet in found) == data
    assert all(packet is not None and packet[0] == band for packet in found)


def test_an_error_packet_fits_whatever_the_text() -> None:
    assert list(pktline.packets(pktline.err_packet("no"))) == [b"ERR no"]
    assert len(pktline.err_packet("é" * 70000)) <= pktline.MAX_DATA + 4
