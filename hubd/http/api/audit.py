"""Who did what on this hub, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from hubd.core import auditing
from hubd.http.api.endpoint import Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Number, Request, Time, when


class AuditAnswer(Answer, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    at: Time
    actor_kind: str
    actor: str
    action: str
    target: str
    details: dict[str, Any]
    channel: str
    address: str
    request_id: str


class AuditQuery(Request, frozen=True, kw_only=True):
    """Which lines, and which part of them."""

    actor: Annotated[str, Meta(max_length=200)] | None = None
    action: Annotated[str, Meta(max_length=100)] | None = None
    target: Annotated[str, Meta(max_length=256)] | None = None
    after: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


async def list_audit(call: Call, query: AuditQuery) -> Page[AuditAnswer]:
    """The audit log, newest first."""
    found, after = await auditing.listing(
        call.core,
        call.actor,
        actor_name=query.actor,
        action=query.action,
        target=query.target,
        before=query.after,
        limit=query.limit,
    )
    lines = [
        AuditAnswer(
            id=entry.id,
            at=when(entry.at),
            actor_kind=entry.actor_kind,
            actor=entry.actor_name,
            action=entry.action,
            target=entry.target,
            details=entry.details,
            channel=entry.channel,
            address=entry.address,
            request_id=entry.request_id,
        )
        for entry in found
    ]
    return Page(lines, None if after is None else str(after))


ENDPOINTS = [Endpoint("GET", "/audit", list_audit, "Read the audit log")]
