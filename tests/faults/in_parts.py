"""A client that uploads a file in parts: ``python -m tests.faults.in_parts URL TOKEN FILE OID``."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from tests.apiclient import Api, basic


def upload(lfs_url: str, token: str, file: Path, oid: str) -> None:
    """As giftless does, so that only what is missing is sent; exits unless all goes well."""
    origin, _, path = lfs_url.partition("/ada/")
    api, size = Api(origin), file.stat().st_size
    asked = {"operation": "upload", "transfers": ["multipart-basic", "basic"]}
    body = msgspec.json.encode(asked | {"objects": [{"oid": oid, "size": size}]})
    target = f"/ada/{path}/objects/batch"
    reply = api.send("POST", target, data=body, headers=basic("x", token))
    actions = msgspec.json.decode(reply.body)["objects"][0].get("actions")
    if actions is None:
        return
    with file.open("rb") as data:
        for part in actions["parts"]:
            data.seek(part["pos"])
            send(api, "PUT", part["href"], data.read(part["size"]))
    send(api, "POST", actions["commit"]["href"])
    named = msgspec.json.encode({"oid": oid, "size": size})
    send(api, "POST", actions["verify"]["href"], named)


def send(api: Api, method: str, href: str, data: bytes | None = None) -> None:
    """A request that must succeed."""
    reply = api.send(method, href.removeprefix(api.url), data=data)
    if reply.status != 200:
        sys.exit(f"{reply.status}: {reply.body!r}")


if __name__ == "__main__":
    upload(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
