"""Requests that the hub makes to addresses which people give: never into its own network.

Every connection asks about the very address that it is made to, after all names are resolved and
whatever form the address was written in, so no name can change its mind in between. Redirects are
not followed, and of the answer only a little is read.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from hubd.errors import Invalid

MAX_URL = 2000
_MAX_ANSWER = 64 * 1024
# Site-local ones, and those that carry others inside: they are closed whole.
_CLOSED = [
    ipaddress.ip_network(text)
    for text in (
        "fec0::/10",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body no more than 64 KiB."""

    status: int
    body: bytes


def check_url(text: str) -> str:
    """An address of a form that can be asked; raises ``Invalid``."""
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid("This is not an address.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise Invalid("The address is of the form https://HOST[:PORT]/PATH.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("The address has no user name and no password in it.")
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid(f"The address has at most {MAX_URL} ASCII characters and no blanks.")
    return text


def networks(texts: Sequence[str]) -> list[Network]:
    """Addresses and networks as the settings write them."""
    return [ipaddress.ip_network(text, strict=False) for text in texts]


def may_reach(host: str, allowed: Sequence[Network]) -> bool:
    """Whether a numeric address is a public one, or one that the operator allows."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if any(address in network for network in allowed):
        return True
    if any(address in network for network in _CLOSED):
        return False
    closed = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not closed


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[Network],
    seconds: float,
) -> Answer:
    """POST; raises ``OSError`` or ``TimeoutError`` with a reason where it gets no answer."""

    def connecting(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not may_reach(str(address[0]), allowed):
            raise PermissionError(errno.EACCES, "this network is closed to the hub")
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        socket_factory=connecting, use_dns_cache=False, force_close=True
    )
    timeout = aiohttp.ClientTimeout(total=seconds, connect=seconds / 2)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return Answer(response.status, await response.content.read(_MAX_ANSWER))
    except (aiohttp.ClientError, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from error
