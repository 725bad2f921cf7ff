"""What is used and what may be: usage, quotas, and who may set them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.apiclient import Api
from tests.apiworld import World

Fresh = Callable[[str], str]


def _batch(api: Api, repo: str, *datas: bytes) -> list[dict[str, Any]]:
    """What the hub says to the upload of these."""
    path = repo.removeprefix("/repos/model")
    named = [{"oid": hashlib.sha256(d).hexdigest(), "size": len(d)} for d in datas]
    headers = {"Authorization": f"Bearer {api.token}"}
    reply = Api(api.url).send(
        "POST",
        f"{path}.git/info/lfs/objects/batch",
        data=msgspec.json.encode({"operation": "upload", "objects": named}),
        headers=headers,
    )
    assert reply.status == 200, reply.body
    return list(msgspec.json.decode(reply.body)["objects"])


def _put(api: Api, answer: dict[str, Any], data: bytes) -> int:
    path = urlsplit(answer["actions"]["upload"]["href"]).path
    return Api(api.url).send("PUT", path, data=data).status


def _upload(api: Api, repo: str, data: bytes) -> int:
    (answer,) = _batch(api, repo, data)
    return int(answer["error"]["code"]) if "error" in answer else _put(api, answer, data)


def test_usage_counts_what_was_uploaded(world: World, fresh: Fresh) -> None:
    name = fresh("una")
    api = world.user(name)
    repo = world.repo("big", api)
    sizes = (3000, 1000, 2000)
    for size in sizes:
        assert _upload(api, repo, os.urandom(size)) == 200
    used = world.nobody.get(f"{repo}/usage").json
    assert (used["used_bytes"], used["used_objects"]) == (6000, 3)
    assert used["limit_bytes"] is None
    assert used["is_default"]
    assert [file["size"] for file in used["largest"]] == [3000, 2000, 1000]
    assert {file["uploaded_by"] for file in used["largest"]} == {name}
    assert {file["repository"] for file in used["largest"]} == {f"{name}/big"}
    mine = api.get(f"/namespaces/{name}/usage").json
    assert (mine["used_bytes"], mine["used_objects"]) == (6000, 3)


def test_who_sees_usage(world: World, fresh: Fresh) -> None:
    name = fresh("una")
    api = world.user(name)
    secret = world.repo("hidden", api, visibility="private")
    assert world.nobody.get(f"{secret}/usage").status in {401, 404}
    assert world.bob.get(f"{secret}/usage").status == 404
    assert world.nobody.get(f"/namespaces/{name}/usage").status == 401
    assert world.bob.get(f"/namespaces/{name}/usage").status == 403
    assert world.root.get(f"/namespaces/{name}/usage").status == 200
    assert world.token(name, scope="read").get(f"/namespaces/{name}/usage").status == 200


def test_who_sets_quotas(world: World, fresh: Fresh) -> None:
    name = fresh("una")
    api = world.user(name)
    repo, space = world.repo("big", api), f"/namespaces/{name}/quota"
    quota = {"bytes": 5000, "objects": None}
    assert world.nobody.put(space, quota).status == 401
    assert api.put(space, quota).status == 403
    assert world.token("root", scope="write").put(space, quota).status == 403
    assert world.root.put(space, quota).status == 204
    assert world.bob.put(f"{repo}/quota", quota).status == 403
    assert world.token(name, scope="write").put(f"{repo}/quota", quota).status == 403
    assert api.put(f"{repo}/quota", {"bytes": 5001, "objects": 5}).status == 403
    assert api.put(f"{repo}/quota", {"bytes": None, "objects": 5}).status == 403
    assert api.put(f"{repo}/quota", {"bytes": 5000, "objects": 5}).status == 204
    told = api.get(f"{repo}/usage").json
    assert (told["limit_bytes"], told["limit_objects"], told["is_default"]) == (5000, 5, False)
    assert world.root.put(f"{repo}/quota", {"bytes": 10**15, "objects": None}).status == 204
    assert api.delete(f"{repo}/quota").status == 204
    assert api.get(f"{repo}/usage").json["is_default"]
    assert world.root.delete(space).status == 204
    for wrong in ({"bytes": -1, "objects": 0}, {"bytes": 1}, {"bytes": 2**63, "objects": 1}, {}):
        assert world.root.put(space, wrong).status == 400


def test_each_quota_refuses_before_the_upload(world: World, fresh: Fresh) -> None:
    name = fresh("una")
    api = world.user(name)
    first, second = world.repo("a", api), world.repo("b", api)
    assert _upload(api, first, os.urandom(3000)) == 200
    world.root.put(f"/namespaces/{name}/quota", {"bytes": 5000, "objects": None})
    # The namespace's room is that of all its repositories.
    (answer,) = _batch(api, second, os.urandom(2001))
    assert answer["error"]["code"] == 507
    assert f"namespace {name} holds" in answer["error"]["message"]
    assert _upload(api, second, os.urandom(2000)) == 200
    world.root.delete(f"/namespaces/{name}/quota")
    api.put(f"{first}/quota", {"bytes": None, "objects": 2})
    answers = _batch(api, first, b"x", b"y")
    assert {one["error"]["code"] for one in answers} == {507}
    assert "large files" in answers[0]["error"]["message"]
    assert _upload(api, first, os.urandom(10)) == 200
    assert _upload(api, first, os.urandom(10)) == 507


def test_uploads_at_once_do_not_slip_under_a_quota(world: World, fresh: Fresh) -> None:
    name = fresh("una")
    api = world.user(name)
    repos = [world.repo("a", api), world.repo("b", api)]
    world.root.put(f"/namespaces/{name}/quota", {"bytes": 250_000, "objects": None})
    datas = [os.urandom(100_000) for _ in range(8)]
    # Each alone is told that it fits.
    answers = [_batch(api, repos[n % 2], data)[0] for n, data in enumerate(datas)]
    assert all("actions" in answer for answer in answers)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(_put, [api] * 8, answers, datas))
    assert sorted(done) == [200] * 2 + [507] * 6
    assert api.get(f"/namespaces/{name}/usage").json["used_bytes"] == 200_000
