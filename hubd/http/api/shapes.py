"""Types that requests and answers of several subjects share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hubd.names import MAX_NAME_LENGTH
from hubd.types import Role

Time = Annotated[datetime, Meta(tz=True, description="RFC 3339, UTC.")]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
FullName = Annotated[str, Meta(max_length=200)]
Email = Annotated[str, Meta(max_length=254)]
Mark = Annotated[str, Meta(max_length=200, description="From the Link of the page before.")]
RevisionText = Annotated[
    str, Meta(min_length=1, max_length=1024, description="A branch, a tag or a commit id.")
]
FilePath = Annotated[str, Meta(max_length=4096)]
Number = Annotated[int, Meta(ge=1, le=2**53 - 1)]
RoleName = Literal["read", "write", "admin"]
ScopeName = Literal["read", "write", "admin"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends: an unknown field is an error, so that no misspelt one is ignored."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub answers."""


class RoleChoice(Request, frozen=True, kw_only=True):
    """The role to give."""

    role: RoleName

    @property
    def value(self) -> Role:
        """As the core knows it."""
        return Role.parse(self.role)


class Rename(Request, frozen=True, kw_only=True):
    """The new name."""

    name: Name


def when(at: float) -> datetime:
    """Epoch seconds as the API shows them."""
    return datetime.fromtimestamp(at, UTC)


def maybe_when(at: float | None) -> datetime | None:
    """As ``when``; None stays None."""
    return None if at is None else when(at)


def readable(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
