from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from hubd.http.api.table import ENDPOINTS
from tests.apiclient import PREFIX, Api, basic
from tests.apiworld import FULL, World
from tests.hubproc import Hub

JSON = {"Content-Type": "application/json"}


def test_unknown_addresses_and_methods_are_told_as_json(world: World) -> None:
    for path in ("/api/hub/v1/absent", "/api/hub/v1/", "/api/hub/v2/me", "/api/hub/x"):
        reply = world.nobody.send("GET", path)
        assert (reply.status, reply.error["code"]) == (404, "not_found")
    reply = world.ada.call("DELETE", "/users")
    assert (reply.status, reply.error["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(reply.headers["Allow"].split(", "))


def test_only_json_is_taken(world: World) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = {"Content-Type": kind} if kind else {}
        reply = world.ada.send("POST", PREFIX + "/orgs", data=b'{"name":"x"}', headers=headers)
        assert reply.status == 415
        assert reply.error["code"] == "unsupported_media_type"


def test_every_post_has_a_body_so_that_no_form_can_send_it() -> None:
    assert all(e.body is not None for e in ENDPOINTS if e.method == "POST")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"nope", b"[]", b'"x"', b"\xff", b'{"name":"\\ud800"}', b"[" * 100_000],
)
def test_what_is_no_json_object_is_refused(world: World, data: bytes) -> None:
    reply = world.ada.send("POST", PREFIX + "/orgs", data=data, headers=JSON)
    assert (reply.status, reply.error["code"]) == (400, "invalid")


def test_a_text_with_nul_is_refused(world: World) -> None:
    reply = world.ada.patch("/me", {"full_name": "a\0b"})
    assert (reply.status, reply.error["code"]) == (400, "invalid")


def test_a_large_body_is_refused_also_when_packed(world: World) -> None:
    big = b'{"name":"' + b"x" * 2_000_000 + b'"}'
    assert world.ada.send("POST", PREFIX + "/orgs", data=big, headers=JSON).status == 413
    packed = gzip.compress(b" " * 100_000_000)
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert world.ada.send("POST", PREFIX + "/orgs", data=packed, headers=headers).status == 413


def test_unknown_and_doubled_parameters_are_refused(world: World) -> None:
    for path in ("/repos?limi=5", "/repos?limit=5&limit=6", "/me?token=x", FULL + "?x=1"):
        reply = world.ada.get(path)
        assert (reply.status, reply.error["code"]) == (400, "invalid")


def test_basic_and_bearer_are_one(world: World) -> None:
    for headers in (basic("ada", world.ada.token), basic("x", world.ada.token)):
        reply = world.nobody.send("GET", PREFIX + "/me", headers=headers)
        assert reply.json["user"]["name"] == "ada"
    wrong = world.nobody.send("GET", PREFIX + "/me", headers=basic("ada", "correct horse ada"))
    assert wrong.status == 401
    # A wrong credential is refused also where none is needed.
    assert Api(world.hub.http, "hubd_wrong").get(FULL).status == 401


def test_every_answer_tells_the_rate(world: World) -> None:
    reply = world.ada.get("/me")
    assert reply.headers["RateLimit-Policy"] == '"api";q=100000;w=60'
    assert re.fullmatch(r'"api";r=\d+;t=\d+', reply.headers["RateLimit"])
    assert reply.headers["RateLimit-Limit"] == "100000"
    left = int(reply.headers["RateLimit-Remaining"])
    assert int(world.ada.get("/me").headers["RateLimit-Remaining"]) < left
    assert "RateLimit" in world.nobody.get("/me").headers


def test_above_the_rate_is_429_with_retry_after(tmp_path: Path) -> None:
    with Hub(tmp_path / "data", api_rate="5/minute") as hub:
        hub.user("ada")
        ada = Api(hub.http, hub.token("ada"))
        assert [ada.get("/me").status for _ in range(5)] == [200] * 5
        reply = ada.get("/me")
        assert (reply.status, reply.error["code"]) == (429, "busy")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
        assert reply.headers["RateLimit-Remaining"] == "0"
        # Another token has a rate of its own; guessing tokens has the address's.
        assert Api(hub.http, hub.token("ada")).get("/me").status == 200
        guesses = [Api(hub.http, f"hubd_{n}").get("/me").status for n in range(7)]
        assert guesses == [401] * 5 + [429] * 2


def test_the_document_and_its_page_are_served(world: World) -> None:
    document = world.nobody.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {endpoint.path for endpoint in ENDPOINTS}
    page = world.nobody.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    text = page.body.decode()
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    for endpoint in ENDPOINTS:
        assert f'id="{endpoint.name}"' in text


def test_every_endpoint_has_a_name_of_its_own() -> None:
    names = [endpoint.name for endpoint in ENDPOINTS]
    assert len(names) == len(set(names))
    assert all(endpoint.summary and endpoint.handler.__doc__ for endpoint in ENDPOINTS)
