"""Large files: what a repository or namespace has of them, and how much it may have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubd.core import storage
from hubd.core.storage import MAX_QUOTA, Account
from hubd.http.api.endpoint import REPO, Call, Endpoint
from hubd.http.api.shapes import Answer, Request, Time, when
from hubd.lfs.quota import Limits

Limit = Annotated[int, Meta(ge=0, le=MAX_QUOTA)]


class LargeFileAnswer(Answer, frozen=True, kw_only=True):
    """A large file; ``repository`` is an address below the hub's root."""

    oid: str
    size: int
    repository: str
    uploaded_by: Annotated[str | None, Meta(description="None: an account that is gone.")]
    uploaded_at: Time


class UsageAnswer(Answer, frozen=True, kw_only=True):
    """What is used and what may be, each file counted once a repository; null is no limit."""

    used_bytes: int
    used_objects: int
    limit_bytes: int | None
    limit_objects: int | None
    is_default: Annotated[bool, Meta(description="The limits are those of the hub's settings.")]
    largest: list[LargeFileAnswer]


class Quota(Request, frozen=True, kw_only=True):
    """The limits to set, in place of those before; null is no limit."""

    bytes: Limit | None
    objects: Limit | None


def _usage_answer(account: Account) -> UsageAnswer:
    room = account.room
    return UsageAnswer(
        used_bytes=room.used.bytes,
        used_objects=room.used.objects,
        limit_bytes=room.bytes,
        limit_objects=room.objects,
        is_default=not account.own,
        largest=[
            LargeFileAnswer(
                oid=file.oid,
                size=file.size,
                repository=file.repo.ref.path,
                uploaded_by=file.uploader,
                uploaded_at=when(file.created_at),
            )
            for file in account.largest
        ],
    )


async def get_repo_usage(call: Call) -> UsageAnswer:
    """The large files of a repository; for who may read it."""
    return _usage_answer(await storage.of_repo(call.core, call.actor, call.ref))


async def set_repo_quota(call: Call, body: Quota) -> None:
    """Limit a repository; its namespace's administrators stay within the namespace's limits."""
    limits = Limits(body.bytes, body.objects)
    await storage.limit_repo(call.core, call.actor, call.ref, limits)


async def remove_repo_quota(call: Call) -> None:
    """Let the hub's defaults hold for a repository again."""
    await storage.limit_repo(call.core, call.actor, call.ref, None)


async def get_namespace_usage(call: Call) -> UsageAnswer:
    """The large files of a user or organization; for its members."""
    name = call.names["namespace"]
    return _usage_answer(await storage.of_namespace(call.core, call.actor, name))


async def set_namespace_quota(call: Call, body: Quota) -> None:
    """Limit a user or organization; for administrators of the hub."""
    limits = Limits(body.bytes, body.objects)
    await storage.limit_namespace(call.core, call.actor, call.names["namespace"], limits)


async def remove_namespace_quota(call: Call) -> None:
    """Let the hub's defaults hold for a user or organization again."""
    await storage.limit_namespace(call.core, call.actor, call.names["namespace"], None)


_NAMESPACE = "/namespaces/{namespace}"
ENDPOINTS = [
    Endpoint("GET", REPO + "/usage", get_repo_usage, "Get a repository's usage"),
    Endpoint("PUT", REPO + "/quota", set_repo_quota, "Set a repository's quota"),
    Endpoint("DELETE", REPO + "/quota", remove_repo_quota, "Remove a repository's quota"),
    Endpoint("GET", _NAMESPACE + "/usage", get_namespace_usage, "Get a namespace's usage"),
    Endpoint("PUT", _NAMESPACE + "/quota", set_namespace_quota, "Set a namespace's quota"),
    Endpoint("DELETE", _NAMESPACE + "/quota", remove_namespace_quota, "Remove a namespace's quota"),
]
