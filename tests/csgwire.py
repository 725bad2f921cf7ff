"""Calls of CSGHub's dialect by hand, and the envelope around what they answer."""

from __future__ import annotations

import base64
from typing import Any

from tests.apiclient import Api, Reply
from tests.apiworld import World
from tests.hfwire import ask


def good(api: Api, method: str, path: str, body: object = None, /, **query: object) -> Any:
    """A call of CSGHub's API that succeeds; its data."""
    reply = ask(api, method, f"/api/v1{path}", body, **query)
    assert reply.status == 200, (method, path, reply.body)
    assert reply.json["msg"] == "OK"
    assert set(reply.json) <= {"msg", "data", "total"}
    return reply.json["data"]


def refused(reply: Reply, status: int, code: str) -> str:
    """Check a refusal and its envelope; the sentence."""
    assert reply.status == status, (reply.status, reply.body)
    assert set(reply.json) == {"code", "msg", "context"}
    assert reply.json["code"] == f"HUBD-{code}"
    assert reply.json["context"]["request_id"] == reply.headers["X-Request-Id"]
    # By this word the client takes a refusal for a success.
    assert "GIT-ERR-20" not in reply.body.decode()
    return str(reply.json["msg"])


def made(world: World, name: str, api: Api | None = None, **how: object) -> str:
    """A new model; its address below the prefix."""
    owner = "bob" if api is world.bob else "ada"
    body = {"namespace": owner, "name": name, **how}
    shown = good(api or world.ada, "POST", "/models", body)
    assert shown["path"] == f"{owner}/{name}"
    return f"/models/{owner}/{name}"


def b64(data: bytes) -> str:
    """As CSGHub's client writes it: with line breaks."""
    return base64.encodebytes(data).decode()
