"""Devices that people let in by a code (RFC 8628), and those that they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apiworld import World
from tests.formkit import Browser
from tests.oauthkit import (
    CLI,
    begin,
    fault,
    let_in,
    poll,
    post,
    registered,
    world_of,
)


@pytest.fixture(scope="module")
def ada_there(world: World) -> Browser:
    return Browser.signed_in(world.hub.http, "ada", "correct horse ada")


def test_a_device_gets_in_once_by_its_own_code(world: World, ada_there: Browser) -> None:
    waiting = begin(world)
    assert waiting["verification_uri"] == world.hub.http + "/-/device"
    assert waiting["expires_in"] <= 900
    fault(poll(world, waiting), "authorization_pending")
    fault(poll(world, waiting), "slow_down")
    page = ada_there.get("/-/device?user_code=" + waiting["user_code"].lower().replace("-", "+"))
    assert b"hf auth login" in page.body
    assert waiting["user_code"].encode() in page.body
    assert let_in(ada_there, waiting["user_code"]).status == 303
    other = registered(world, public=True, redirect_uris=[])
    fault(poll(world, waiting, other.client_id), "invalid_grant")
    tokens = poll(world, waiting)
    assert tokens.status == 200, tokens.body
    assert world_of(world, tokens.json["access_token"]) == "ada"
    fault(poll(world, waiting), "invalid_grant")
    assert b"No device waits" in ada_there.get("/-/device?user_code=" + waiting["user_code"]).body
    # Another person's browser finds nothing to answer any more.
    bob = Browser.signed_in(world.hub.http, "bob", "correct horse bob")
    assert let_in(bob, waiting["user_code"]).status in {200, 403, 404}
    assert world_of(world, tokens.json["access_token"]) == "ada"


def test_devices_that_are_notlet_in(world: World, ada_there: Browser) -> None:
    waiting, other = begin(world), begin(world)
    assert waiting["user_code"] != other["user_code"]
    assert let_in(ada_there, waiting["user_code"], "deny").status == 303
    fault(poll(world, waiting), "access_denied")
    fault(poll(world, other), "authorization_pending")
    fault(poll(world, {"device_code": "none"}), "invalid_grant")
    app = registered(world, public=True)
    fault(post(world, "/oauth/device", {"client_id": app.client_id}), "unauthorized_client")
    fault(post(world, "/oauth/device", {"client_id": "none"}), "invalid_client", 401)
    fault(post(world, "/oauth/device", {"client_id": CLI, "scope": "webhooks"}), "invalid_scope")


def test_codes_cannot_be_guessed(tmp_path: Path) -> None:
    with World.started(tmp_path, sign_in_rate="5/minute") as world:
        guesser = Browser.signed_in(world.hub.http, "bob", "correct horse bob")
        waiting = begin(world)
        statuses = [guesser.get(f"/-/device?user_code=BBBBBBB{x}").status for x in "CDFGHJ"]
        assert statuses == [404] * 5 + [429]
        assert let_in(guesser, waiting["user_code"]).status == 429
        fault(poll(world, waiting), "authorization_pending")
