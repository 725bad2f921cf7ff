"""Webhooks of the account behind the token."""

from __future__ import annotations

import msgspec

from hubd.core import webhooks
from hubd.core.rows import row_id
from hubd.core.webhooks import Told, Watched
from hubd.errors import Invalid, NotBuilt
from hubd.http.hf.endpoint import Call, Endpoint
from hubd.http.hf.shapes import Shape, number_of

_ALL = "/api/settings/webhooks"
_ONE = _ALL + "/{webhook}"


class WatchedItem(msgspec.Struct, frozen=True):
    """What is watched."""

    type: str
    name: str


class ShownWebhook(Shape, frozen=True, kw_only=True):
    """A webhook; its secret is never shown."""

    id: str
    url: str
    watched: list[WatchedItem]
    domains: list[str]
    disabled: bool
    secret: None = None
    job: None = None


class Wrapped(Shape, frozen=True, kw_only=True):
    """As the clients expect what was changed."""

    webhook: ShownWebhook


class ToSet(msgspec.Struct, rename="camel"):
    """A webhook to make, or what to change of one: clients send an empty list for no change."""

    url: str | None = None
    watched: list[WatchedItem] = []
    domains: list[str] | None = None
    secret: str | None = None
    job_source_id: str | None = None


def _shown(told: Told) -> ShownWebhook:
    hook = told.webhook
    return ShownWebhook(
        id=row_id(hook.id),
        url=hook.url,
        watched=[WatchedItem(one.type, one.name) for one in told.watched],
        domains=hook.domains,
        disabled=hook.disabled,
    )


async def _asked(call: Call) -> ToSet:
    asked = await call.body(ToSet)
    if asked.job_source_id is not None:
        raise NotBuilt("Webhooks cannot start jobs on this hub yet.")
    return asked


def _watched(asked: ToSet) -> list[Watched]:
    return [Watched(one.type, one.name) for one in asked.watched]


async def list_webhooks(call: Call) -> list[ShownWebhook]:
    """All of the account's."""
    return [_shown(one) for one in await webhooks.listing(call.core, call.actor)]


async def get_webhook(call: Call) -> Wrapped:
    """One of them."""
    found = await webhooks.get(call.core, call.actor, number_of(call.name("webhook")))
    return Wrapped(webhook=_shown(found))


async def create_webhook(call: Call) -> Wrapped:
    """Make one."""
    asked = await _asked(call)
    if asked.url is None:
        raise Invalid("A webhook needs a url.")
    made = await webhooks.create(
        call.core,
        call.actor,
        asked.url,
        _watched(asked),
        domains=webhooks.DOMAINS if asked.domains is None else asked.domains,
        secret=asked.secret or "",
    )
    return Wrapped(webhook=_shown(made))


async def update_webhook(call: Call) -> Wrapped:
    """Change one."""
    asked = await _asked(call)
    done = await webhooks.change(
        call.core,
        call.actor,
        number_of(call.name("webhook")),
        url=asked.url,
        watched=_watched(asked) or None,
        domains=asked.domains,
        secret=asked.secret,
    )
    return Wrapped(webhook=_shown(done))


async def switch_webhook(call: Call) -> Wrapped:
    """Let one be told, or not."""
    done = await webhooks.change(
        call.core,
        call.actor,
        number_of(call.name("webhook")),
        disabled=call.name("how") == "disable",
    )
    return Wrapped(webhook=_shown(done))


async def delete_webhook(call: Call) -> None:
    """Forget one."""
    await webhooks.remove(call.core, call.actor, number_of(call.name("webhook")))


ENDPOINTS = [
    Endpoint("GET", _ALL, list_webhooks, "List webhooks"),
    Endpoint("POST", _ALL, create_webhook, "Make one"),
    Endpoint("GET", _ONE, get_webhook, "One of them"),
    Endpoint("POST", _ONE, update_webhook, "Change it"),
    Endpoint("DELETE", _ONE, delete_webhook, "Forget it"),
    Endpoint("POST", _ONE + "/{how:enable|disable}", switch_webhook, "Switch it on or off"),
]
