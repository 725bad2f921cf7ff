"""Webhooks: where they may lead, what they tell whom, and what a bad receiver does to the hub."""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from hubd.core import deliveries
from hubd.errors import Invalid
from hubd.outbound import check_url, may_reach, networks
from hubd.types import Role
from tests.apiclient import Api, Reply
from tests.gitkit import until
from tests.hubkit import World
from tests.hubproc import Hub

CLOSED = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fec0::1",
    "2001:db8::1",
    "0177.0.0.1",
    "2130706433",
    "127.1",
    "0x7f.0.0.1",
    "localhost",
    "8.8.8.8.8",
]


@pytest.mark.parametrize("host", CLOSED)
def test_T48_no_form_of_an_inner_address_is_reached(host: str) -> None:
    assert not may_reach(host, [])


def test_T48_public_addresses_and_allowed_networks_are_reached() -> None:
    assert all(may_reach(host, []) for host in ("8.8.8.8", "1.1.1.1", "2606:4700::1111"))
    own = networks(["10.1.0.0/16", "::1"])
    assert may_reach("10.1.2.3", own)
    assert may_reach("::1", own)
    assert not may_reach("10.2.0.1", own)
    assert not may_reach("::ffff:10.1.2.3", own)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "x",
            "ftp://example.org/",
            "file:///etc/passwd",
            "http://",
            "http://a:b@example.org/",
        ),
        *("https://user@example.org/", "http://example.org:99999/", "http://exa mple.org/"),
        *("gopher://example.org/", "http://example.org/\r\nX: y", "http://[::1", "//example.org/x"),
        "https://example.org/" + "a" * 2000,
    ],
)
def test_T48_only_plain_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url)


class Receiver:
    """A web server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.location = ""
        self.body = b"thanks"
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()
                self.wfile.write(receiver.body)

            def do_GET(self) -> None:
                receiver.got.append(({"GET": self.path}, b""))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for _, body in list(self.got)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("webhooks")
    with Hub(folder / "data", shutdown_grace=2, webhook_networks="127.0.0.1") as hub:
        yield World.populate(hub, folder)


def api(world: World, user: str = "ada") -> Api:
    return Api(world.hub.http, world.tokens[user] if user else "")


def hook(world: World, url: str, *watched: tuple[str, str], user: str = "ada", **more: Any) -> int:
    """A new webhook; its id."""
    things = [{"type": kind, "name": name} for kind, name in watched]
    made = api(world, user).post("/webhooks", {"url": url, "watched": things, **more})
    assert made.status == 201, made.body
    return int(made.json["id"])


def log(world: World, number: int, user: str = "ada") -> list[dict[str, Any]]:
    reply = api(world, user).get(f"/webhooks/{number}/deliveries")
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json
    return found


def quiet(world: World, number: int, user: str = "ada") -> list[dict[str, Any]]:
    """The deliveries, when none is left to be tried for the first time."""
    until(
        lambda: (
            not world.sql("SELECT id FROM events WHERE told = 0")
            and all(one["attempts"] for one in log(world, number, user))
        )
    )
    return log(world, number, user)


def test_T52_what_is_told_is_signed_and_once(world: World, receiver: Receiver) -> None:
    repo, secret = world.repo(), "a secret of ours"
    number = hook(world, receiver.url, ("model", repo.name), secret=secret)
    shown = api(world).get(f"/webhooks/{number}")
    assert shown.json["has_secret"] is True
    assert secret.encode() not in shown.body
    stored = world.sql("SELECT secret FROM webhooks WHERE id = ?", number)[0][0]
    assert stored
    assert secret not in stored
    work = world.work()
    tip = work.commit({"a.txt": "a"})
    work.push(repo.http, "HEAD:refs/heads/main", "HEAD:refs/tags/v1")
    where = f"/repos/model/{repo.name}"
    asked = api(world).post(f"{where}/discussions", {"title": "Why", "body": "So?"})
    assert asked.status == 201
    api(world).patch(where, {"visibility": "private"})
    api(world).put(f"{where}/address", {"name": f"{repo.name.split('/')[1]}-new"})
    quiet(world, number)
    assert [(p["event"]["scope"], p["event"]["action"]) for p in receiver.payloads] == [
        ("repo.content", "update"),
        ("discussion", "create"),
        ("repo.config", "update"),
        ("repo", "move"),
    ]
    assert receiver.payloads[1]["comment"]["content"] == "So?"
    assert receiver.payloads[3]["repo"]["name"] == repo.name
    assert receiver.payloads[3]["movedTo"]["name"] == f"{repo.name}-new"
    first = receiver.payloads[0]
    assert [(r["ref"], r["newSha"]) for r in first["updatedRefs"]] == [
        ("refs/heads/main", tip),
        ("refs/tags/v1", tip),
    ]
    assert first["updatedRefs"][0]["oldSha"] is None
    assert first["webhook"]["version"] == 3
    headers, body = receiver.got[0]
    assert headers["X-Webhook-Secret"] == secret
    at, _, digest = headers["X-Webhook-Signature"].partition(",v1=")
    wanted = hmac.new(secret.encode(), at.removeprefix("t=").encode() + b"." + body, hashlib.sha256)
    assert digest == wanted.hexdigest()
    assert len({h["X-Webhook-Delivery"] for h, _ in receiver.got}) == len(receiver.got)


def test_T52_strangers_hear_nothing_of_what_they_may_not_see(
    world: World, receiver: Receiver
) -> None:
    repo = world.repo("private")
    refused = api(world, "bob").post(
        "/webhooks", {"url": receiver.url, "watched": [{"type": "model", "name": repo.name}]}
    )
    assert refused.status == 404
    number = hook(world, receiver.url, ("user", "ada"), user="bob")
    world.grant(repo, "bob", Role.READ)
    where = f"/repos/model/{repo.name}"
    api(world).patch(where, {"description": "one"})
    until(lambda: len(receiver.got) == 1)
    # What waits when the right goes is not sent any more.
    receiver.status = 500
    api(world).patch(where, {"description": "two"})
    until(lambda: len(receiver.got) == 2)
    world.grant(repo, "bob", Role.NONE)
    receiver.status = 200
    again = quiet(world, number, "bob")[0]
    reply = api(world, "bob").post(f"/webhooks/{number}/deliveries", {"delivery": again["id"]})
    assert reply.status == 201, reply.body
    api(world).patch(where, {"description": "three"})
    until(lambda: log(world, number, "bob")[0]["state"] == "failed")
    assert "may not see" in log(world, number, "bob")[0]["answer"]
    assert len(receiver.got) == 2
    for method, path in (
        ("GET", f"/webhooks/{number}"),
        ("DELETE", f"/webhooks/{number}"),
        ("GET", f"/webhooks/{number}/deliveries"),
    ):
        assert api(world).call(method, path).status == 404
    other = hook(world, receiver.url, ("user", "ada"))
    for swapped in (number, other):
        reply = api(world).post(f"/webhooks/{swapped}/deliveries", {"delivery": again["id"]})
        assert reply.status == 404


def test_T49_redirects_are_not_followed_and_failures_are_tried_again(
    world: World, receiver: Receiver
) -> None:
    repo = world.repo()
    number = hook(world, receiver.url, ("model", repo.name))
    receiver.status, receiver.location = 302, receiver.url.replace("/hook", "/inside")
    api(world).patch(f"/repos/model/{repo.name}", {"description": "one"})
    (tried,) = quiet(world, number)
    assert (tried["state"], tried["status"], tried["attempts"]) == ("waiting", 302, 1)
    assert tried["next_at"] is not None
    assert all("GET" not in headers for headers, _ in receiver.got)
    receiver.status = 200
    done = api(world).post(f"/webhooks/{number}/deliveries", {"delivery": tried["id"]}).json
    until(lambda: log(world, number)[0]["state"] == "done")
    assert log(world, number)[0]["id"] == done["id"]
    assert receiver.payloads[0] == receiver.payloads[1]


def test_T48_the_hub_does_not_ask_its_own_network(
    world: World, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("closed")
    port = receiver.server.server_address[1]
    with Hub(folder / "data", shutdown_grace=2) as hub:
        closed = World.populate(hub, folder, "ada")
        repo = closed.repo()
        hosts = ("127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "[::ffff:7f00:1]")
        numbers = [hook(closed, f"http://{h}:{port}/", ("model", repo.name)) for h in hosts]
        api(closed).patch(f"/repos/model/{repo.name}", {"description": "one"})
        for number in numbers:
            (tried,) = quiet(closed, number)
            assert (tried["state"], tried["status"]) == ("waiting", None), tried
    assert receiver.got == []


def test_T52_a_receiver_that_is_slow_or_says_too_much_holds_nobody_up(
    world: World, receiver: Receiver
) -> None:
    repo = world.repo()
    receiver.body = b"x" * 5_000_000
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        hook(world, slow, ("model", repo.name))
        number = hook(world, receiver.url, ("model", repo.name))
        api(world).patch(f"/repos/model/{repo.name}", {"description": "one"})
        until(lambda: log(world, number) and log(world, number)[0]["state"] == "done")
    assert len(log(world, number)[0]["answer"]) == 500


def test_T52_a_webhook_that_never_works_is_switched_off(world: World, receiver: Receiver) -> None:
    repo = world.repo()
    receiver.status = 500
    number = hook(world, receiver.url, ("model", repo.name))
    api(world).patch(f"/repos/model/{repo.name}", {"description": "one"})
    (tried,) = quiet(world, number)

    async def last_tries(core: Any, _actor: object) -> None:
        from hubd.store import webhooks

        for _ in range(deliveries._MOST_FAILURES):
            async with core.store.read() as conn:
                one = await webhooks.delivery(conn, number, tried["id"])
                found = await webhooks.by_id(conn, number)
            assert found is not None
            worn = msgspec.structs.replace(one, attempts=deliveries._ATTEMPTS - 1)
            await core.store.write(
                lambda conn, found=found, worn=worn: deliveries._settle(conn, found, worn, 500, "")
            )

    world.inside(last_tries)
    shown = api(world).get(f"/webhooks/{number}").json
    assert (shown["disabled"], shown["failures"]) == (True, deliveries._MOST_FAILURES)
    enabled = api(world).patch(f"/webhooks/{number}", {"disabled": False}).json
    assert (enabled["disabled"], enabled["failures"]) == (False, 0)


def test_what_waits_survives_a_kill(
    receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    with Hub(folder / "data", shutdown_grace=2, webhook_networks="127.0.0.1") as hub:
        own = World.populate(hub, folder, "ada")
        repo = own.repo()
        number = hook(own, receiver.url, ("model", repo.name))
        for word in ("one", "two", "three"):
            api(own).patch(f"/repos/model/{repo.name}", {"description": word})
        hub.kill()
        hub.start()
        done = quiet(own, number)
        assert [one["state"] for one in done] == ["done"] * 3
        sent = {headers["X-Webhook-Delivery"] for headers, _ in receiver.got}
        assert len(sent) == 3


def test_T03_who_may_manage_webhooks(world: World, receiver: Receiver) -> None:
    number = hook(world, receiver.url, ("user", "ada"))
    reader = Api(world.hub.http, world.token("ada", "read"))
    body = {"url": receiver.url, "watched": [{"type": "user", "name": "ada"}]}
    calls: list[tuple[str, str, object]] = [
        ("GET", "/webhooks", None),
        ("POST", "/webhooks", body),
        ("PATCH", f"/webhooks/{number}", {"disabled": True}),
    ]
    for method, path, sent in calls:
        replies: list[Reply] = [
            reader.call(method, path, sent),
            api(world, "").call(method, path, sent),
        ]
        assert [one.status for one in replies] == [403, 401]
