"""The rows that transports may name: what the core's functions give them."""

from __future__ import annotations

from hubd.store.audit import Entry as AuditEntry
from hubd.store.cards import Card
from hubd.store.collections import Collection
from hubd.store.discussions import Discussion, Event
from hubd.store.follows import Followed
from hubd.store.gates import AccessRequest
from hubd.store.keys import Key
from hubd.store.likes import Liked, Liker
from hubd.store.namespaces import Namespace
from hubd.store.orgs import Member
from hubd.store.pushes import Push, RefMove
from hubd.store.repos import Repo
from hubd.store.rules import RefRule
from hubd.store.sessions import Session
from hubd.store.tokens import Token
from hubd.store.users import User
from hubd.store.webhooks import Delivery


def row_id(number: int) -> str:
    """A row's number as the Hub's clients and webhooks know ids: 24 hex digits."""
    return f"{number:024x}"


__all__ = [
    "AccessRequest",
    "AuditEntry",
    "Card",
    "Collection",
    "Delivery",
    "Discussion",
    "Event",
    "Followed",
    "Key",
    "Liked",
    "Liker",
    "Member",
    "Namespace",
    "Push",
    "RefMove",
    "RefRule",
    "Repo",
    "Session",
    "Token",
    "User",
    "row_id",
]
