"""Calls of the Hub's dialect by hand: what is sent is what the test says."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from tests.apiclient import Api, Reply
from tests.apiworld import World


def ask(
    api: Api, method: str, path: str, body: object = None, /, *lines: object, **query: object
) -> Reply:
    """A call of the Hub's API; ``lines`` are sent as NDJSON."""
    data = None if body is None else msgspec.json.encode(body)
    kind = "application/json"
    if lines:
        data, kind = b"\n".join(msgspec.json.encode(line) for line in lines), "application/x-ndjson"
    headers = {} if data is None else {"Content-Type": kind}
    return api.send(method, path, query=query, data=data, headers=headers)


def made(world: World, name: str, **how: Any) -> str:
    """A new model repository of ada's; its id."""
    reply = ask(world.ada, "POST", "/api/repos/create", {"name": name, **how})
    assert reply.status == 200, reply.body
    return str(reply.json["name"])


def header(summary: str = "A commit", **more: object) -> dict[str, object]:
    return {"key": "header", "value": {"summary": summary, **more}}


def file(path: str, content: bytes) -> dict[str, object]:
    text = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": text, "encoding": "base64"}}


def commit(
    world: World, repo: str, *lines: object, api: Api | None = None, rev: str = "main"
) -> Reply:
    return ask(api or world.ada, "POST", f"/api/models/{repo}/commit/{rev}", None, *lines)


def upload(world: World, repo: str, data: bytes, api: Api | None = None) -> str:
    """Send a large file; its id."""
    api = api or world.ada
    oid = hashlib.sha256(data).hexdigest()
    batch = ask(
        api,
        "POST",
        f"/{repo}.git/info/lfs/objects/batch",
        {"operation": "upload", "objects": [{"oid": oid, "size": len(data)}]},
    )
    assert batch.status == 200, batch.body
    actions = msgspec.json.decode(batch.body)["objects"][0].get("actions")
    if actions:
        href = actions["upload"]["href"].removeprefix(api.url)
        assert api.send("PUT", href, data=data).status == 200
    return oid


def refused(reply: Reply, status: int, code: str | None = None) -> str:
    """Check a refusal; its sentence."""
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers.get("X-Error-Code") == code
    assert reply.headers["X-Error-Message"]
    assert reply.headers["X-Request-Id"]
    sentence = str(reply.json["error"])
    assert sentence
    return sentence
