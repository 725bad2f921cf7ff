"""What is refused: who hears of it, and that a flood of it stays small."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.apiclient import Api
from tests.gitkit import until
from tests.hubkit import World
from tests.hubproc import Hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("refusals")
    with Hub(folder / "data", shutdown_grace=2) as made:
        yield World.populate(made, folder)


def lines(world: World, action: str) -> list[tuple[str, str]]:
    rows = world.sql("SELECT actor_name, target FROM audit WHERE action = ? ORDER BY id", action)
    return [(str(name), str(target)) for name, target in rows]


def test_what_was_denied_stands_in_the_audit_log_once(hub: World) -> None:
    repo = hub.repo("public")
    bob = Api(hub.hub.http, hub.tokens["bob"])
    for _ in range(20):
        assert bob.patch(f"/repos/model/{repo.name}", {"description": "mine"}).status == 403
    wanted = ("bob", f"PATCH /api/hub/v1/repos/model/{repo.name}")
    until(lambda: wanted in lines(hub, "request.denied"))
    work = hub.work("bob")
    work.commit({"a": "1"})
    assert work.push(hub.http(repo.path, "bob")).returncode != 0
    assert work.push(repo.ssh).returncode != 0
    until(lambda: ("bob", f"ssh git-receive-pack '/{repo.path}'") in lines(hub, "request.denied"))
    denied = lines(hub, "request.denied")
    assert denied.count(wanted) == 1
    assert any(target.startswith(f"GET /{repo.path}/info/refs") for _, target in denied)


def test_wrong_credentials_stand_in_the_audit_log(hub: World) -> None:
    for _ in range(20):
        assert Api(hub.hub.http, "hubd_" + "x" * 43).get("/me").status == 401
    until(lambda: ("", "") in lines(hub, "sign_in.failed"))
    token = hub.token("ada", "read", lifetime=0.01)
    until(lambda: Api(hub.hub.http, token).get("/me").status == 401)
    until(lambda: ("", "ada") in lines(hub, "sign_in.failed"))
    assert len(lines(hub, "sign_in.failed")) == 2


def test_a_download_by_the_api_can_go_on(hub: World) -> None:
    repo, work = hub.repo(), hub.work()
    data = bytes(range(256)) * 4000
    work.commit({"f.dat": data})
    assert work.push(repo.http).returncode == 0
    ada = Api(hub.hub.http, hub.tokens["ada"])
    path = f"/api/hub/v1/repos/model/{repo.name}/raw"

    def get(**headers: str) -> tuple[int, bytes]:
        reply = ada.send("GET", path, query={"path": "f.dat"}, headers=headers)
        return reply.status, reply.body

    assert get() == (200, data)
    assert get(Range="bytes=1000-") == (206, data[1000:])
    assert get(Range="bytes=700000-700009") == (206, data[700_000:700_010])
    assert get(Range="bytes=-3") == (206, data[-3:])
    assert get(Range=f"bytes={len(data)}-")[0] == 416
    etag = ada.send("HEAD", path, query={"path": "f.dat"}).headers["ETag"]
    assert get(**{"If-None-Match": etag}) == (304, b"")
    assert get(**{"If-Range": etag, "Range": "bytes=0-0"}) == (206, data[:1])
    assert get(**{"If-Range": '"other"', "Range": "bytes=0-0"}) == (200, data)


def test_too_many_connections_are_told_so(tmp_path: Path) -> None:
    with Hub(tmp_path / "data", connections=20, idle_timeout=30, shutdown_grace=1) as hub:
        split = urlsplit(hub.http)
        address = (str(split.hostname), int(split.port or 0))
        with ExitStack() as stack:
            socks = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(25)]
            answers = []
            for sock in socks:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                answers.append(sock.recv(1000).partition(b"\r\n")[0])
            assert answers.count(b"HTTP/1.1 200 OK") == 20
            assert answers.count(b"HTTP/1.1 503 Service Unavailable") == 5
        until(lambda: Api(hub.http).send("GET", "/healthz").status == 200)
