"""Tickets: short-lived proofs that their bearer may do one thing to one object.

They stand in URLs, so that a client needs no credential for the bytes; each carries only the right
to that object. The key never leaves the data directory.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

import msgspec
from itsdangerous import BadSignature, URLSafeSerializer

from hubd.errors import Denied
from hubd.sealing import key_file

T = TypeVar("T", bound="Ticket")


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed address is good for; each kind is a subclass with a tag of its own."""

    repo_id: int
    user_id: int | None
    # Epoch seconds.
    expires_at: float


class ObjectTicket(Ticket, frozen=True, kw_only=True):
    """One object of one repository; ``may_write`` to send it, else to fetch it."""

    oid: str
    size: int
    may_write: bool = False


class PartTicket(Ticket, frozen=True, kw_only=True):
    """Part ``number`` of an upload in parts."""

    upload_id: str
    number: int


class KeyTicket(Ticket, frozen=True, kw_only=True):
    """The large files of one repository, for whom an SSH key stands for; ``may_write`` to send."""

    fingerprint: str
    may_write: bool = False


class Signer:
    """Makes and checks tickets."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, file: Path) -> Signer:
        """With the key in a file, made at the first start. Blocking."""
        return cls(key_file(file))

    def sign(self, ticket: Ticket) -> str:
        """The ticket as text that fits into a path."""
        return str(self._serializer(type(ticket)).dumps(msgspec.to_builtins(ticket)))

    def check(self, kind: type[T], text: str) -> T:
        """The ticket, if we made it as one of this kind and it still holds; raises ``Denied``."""
        try:
            ticket = msgspec.convert(self._serializer(kind).loads(text), kind)
        except (BadSignature, msgspec.ValidationError):
            raise Denied("This address is not valid.", hint="Ask for a new one.") from None
        if ticket.expires_at <= time.time():
            raise Denied("This address has expired.", hint="Ask for a new one.")
        return ticket

    def _serializer(self, kind: type[Ticket]) -> URLSafeSerializer:
        # The kind is part of the key: a ticket of one kind is never taken for one of another.
        return URLSafeSerializer(self._key, salt=kind.__name__)
