"""Large files given from one repository to another: to whom may have them, and no others."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.apiclient import Api, Reply
from tests.apiworld import World
from tests.hfwire import ask, commit, header, made, refused, upload

Fresh = Callable[[str], str]


def _share(api: Api, source: str, target: str, *oids: str) -> Reply:
    files = [{"xetHash": "0" * 64, "sha256": oid, "filename": "x"} for oid in oids]
    body = {"target": {"type": "model", "name": target}, "files": files}
    return ask(api, "POST", f"/api/models/{source}/lfs-files/duplicate", body)


def test_a_large_file_is_given_to_another_repository(world: World, fresh: Fresh) -> None:
    source, target, third = (made(world, fresh("share"), private=True) for _ in range(3))
    data = os.urandom(3000)
    oid, elsewhere = upload(world, source, data), upload(world, third, os.urandom(10))
    absent = "0" * 64
    assert ask(world.ada, "GET", f"/api/models/{target}/lfs-files").json == []
    reply = _share(world.ada, source, target, oid, oid, absent, elsewhere)
    assert reply.status == 200, reply.body
    assert [one["sha256"] for one in reply.json["failed"]] == [absent, elsewhere]
    (given,) = ask(world.ada, "GET", f"/api/models/{target}/lfs-files").json
    assert (given["oid"], given["size"]) == (oid, len(data))
    large = {"path": "x.bin", "algo": "sha256", "oid": oid, "size": len(data)}
    assert commit(world, target, header(), {"key": "lfsFile", "value": large}).status == 200
    assert ask(world.ada, "GET", f"/{target}/resolve/main/x.bin").body == data
    refused(_share(world.ada, source, target, "x"), 400)
    refused(_share(world.ada, source, "ada/none", oid), 404, "RepoNotFound")


def test_it_takes_the_right_to_the_one_and_the_other(world: World, fresh: Fresh) -> None:
    hidden, public = made(world, fresh("share"), private=True), made(world, fresh("share"))
    theirs = f"bob/{fresh('share')}"
    assert ask(world.bob, "POST", "/api/repos/create", {"name": theirs}).status == 200
    oid, other = upload(world, hidden, os.urandom(20)), upload(world, public, os.urandom(20))
    refused(_share(world.bob, hidden, theirs, oid), 404, "RepoNotFound")
    refused(_share(world.nobody, hidden, theirs, oid), 401, "RepoNotFound")
    refused(_share(world.ada, hidden, theirs, oid), 403)
    refused(_share(world.bob, public, public, other), 403)
    refused(_share(world.token("bob", "read"), public, theirs, other), 403)
    assert _share(world.bob, public, theirs, other, oid).json["failed"] == [
        {"sha256": oid, "error": "This file is not here."}
    ]
    assert (
        ask(world.ada, "PUT", f"/api/models/{public}/settings", {"gated": "manual"}).status == 200
    )
    refused(_share(world.bob, public, theirs, other), 403, "GatedRepo")
