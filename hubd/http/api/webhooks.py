"""Webhooks of one's account: where it is told what happens to repositories that it may see."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from hubd.core import webhooks
from hubd.core.rows import Delivery
from hubd.core.webhooks import Told, Watched
from hubd.http.api.endpoint import Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Number, Request, Time, maybe_when, when
from hubd.outbound import MAX_URL

Url = Annotated[str, Meta(max_length=MAX_URL)]
Domain = Literal["repo", "discussion"]
Secret = Annotated[
    str,
    Meta(
        max_length=webhooks.MAX_SECRET,
        description="Comes as X-Webhook-Secret and signs X-Webhook-Signature; never shown again.",
    ),
]


class WatchedThing(Request, frozen=True, kw_only=True):
    """All repositories of a user or organization, or one repository as NAMESPACE/NAME."""

    type: Literal["user", "org", "model", "dataset", "space", "code"]
    name: Annotated[str, Meta(min_length=1, max_length=200)]


Things = Annotated[list[WatchedThing], Meta(min_length=1, max_length=100)]
Domains = Annotated[list[Domain], Meta(min_length=1, max_length=2)]


class WebhookAnswer(Answer, frozen=True, kw_only=True):
    """A webhook; ``failures`` counts the deliveries in a row that were never taken."""

    id: int
    url: str
    watched: list[WatchedThing]
    domains: list[Domain]
    has_secret: bool
    disabled: bool
    failures: int
    created_at: Time


class NewWebhook(Request, frozen=True, kw_only=True):
    """A webhook to be."""

    url: Url
    watched: Things
    domains: Annotated[Domains, Meta(description="None: both.")] | None = None
    secret: Secret = ""


class WebhookChange(Request, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    url: Url | None = None
    watched: Things | None = None
    domains: Domains | None = None
    secret: Secret | None = None
    disabled: bool | None = None


class DeliveryAnswer(Answer, frozen=True, kw_only=True):
    """Something sent, or to be sent; ``answer`` is what the receiver said, or a reason."""

    id: int
    action: str
    scope: str
    payload: dict[str, Any]
    state: Literal["waiting", "done", "failed"]
    attempts: int
    next_at: Time | None
    status: int | None
    answer: str
    created_at: Time
    finished_at: Time | None


class Again(Request, frozen=True, kw_only=True):
    """What to send once more."""

    delivery: Number


class DeliveriesQuery(Request, frozen=True, kw_only=True):
    """Which part of the list."""

    after: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


def _answer(told: Told) -> WebhookAnswer:
    hook = told.webhook
    things = [WatchedThing(type=one.type, name=one.name) for one in told.watched]  # type: ignore[arg-type]
    return WebhookAnswer(
        id=hook.id,
        url=hook.url,
        watched=things,
        domains=hook.domains,  # type: ignore[arg-type]
        has_secret=bool(hook.secret),
        disabled=hook.disabled,
        failures=hook.failures,
        created_at=when(hook.created_at),
    )


def _delivery(one: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(
        id=one.id,
        action=one.action,
        scope=one.scope,
        payload=one.payload,
        state=one.state,  # type: ignore[arg-type]
        attempts=one.attempts,
        next_at=maybe_when(one.next_at),
        status=one.status,
        answer=one.answer,
        created_at=when(one.created_at),
        finished_at=maybe_when(one.finished_at),
    )


def _watched(things: list[WatchedThing]) -> list[Watched]:
    return [Watched(one.type, one.name) for one in things]


async def list_webhooks(call: Call) -> list[WebhookAnswer]:
    """All of one's webhooks."""
    return [_answer(one) for one in await webhooks.listing(call.core, call.actor)]


async def create_webhook(call: Call, body: NewWebhook) -> WebhookAnswer:
    """Be told at an address; private networks are closed unless a setting opens them."""
    made = await webhooks.create(
        call.core,
        call.actor,
        body.url,
        _watched(body.watched),
        domains=body.domains or webhooks.DOMAINS,
        secret=body.secret,
    )
    return _answer(made)


async def get_webhook(call: Call) -> WebhookAnswer:
    """One of one's webhooks."""
    return _answer(await webhooks.get(call.core, call.actor, call.id))


async def update_webhook(call: Call, body: WebhookChange) -> WebhookAnswer:
    """Change a webhook; what is enabled again starts with no failures."""
    done = await webhooks.change(
        call.core,
        call.actor,
        call.id,
        url=body.url,
        watched=None if body.watched is None else _watched(body.watched),
        domains=body.domains,
        secret=body.secret,
        disabled=body.disabled,
    )
    return _answer(done)


async def delete_webhook(call: Call) -> None:
    """Forget a webhook and its deliveries."""
    await webhooks.remove(call.core, call.actor, call.id)


async def list_deliveries(call: Call, query: DeliveriesQuery) -> Page[DeliveryAnswer]:
    """What was sent and is to be sent, newest first."""
    found = await webhooks.log(
        call.core, call.actor, call.id, before=query.after, limit=query.limit + 1
    )
    shown = [_delivery(one) for one in found[: query.limit]]
    return Page(shown, str(shown[-1].id) if len(found) > query.limit else None)


async def redeliver(call: Call, body: Again) -> DeliveryAnswer:
    """Send something once more, as a delivery of its own."""
    return _delivery(await webhooks.redeliver(call.core, call.actor, call.id, body.delivery))


_ONE = "/webhooks/{id}"
ENDPOINTS = [
    Endpoint("GET", "/webhooks", list_webhooks, "List webhooks"),
    Endpoint("POST", "/webhooks", create_webhook, "Create a webhook", status=201),
    Endpoint("GET", _ONE, get_webhook, "Get a webhook"),
    Endpoint("PATCH", _ONE, update_webhook, "Change a webhook"),
    Endpoint("DELETE", _ONE, delete_webhook, "Delete a webhook"),
    Endpoint("GET", _ONE + "/deliveries", list_deliveries, "List deliveries"),
    Endpoint("POST", _ONE + "/deliveries", redeliver, "Deliver once more", status=201),
]
