"""Attacks on the JSON API by the shape of requests and by what they say of the host."""

from __future__ import annotations

import gzip
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.apiclient import PREFIX
from tests.apiworld import FULL, World

_numbers = itertools.count()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World.started(tmp_path_factory.mktemp("api")) as made:
        yield made


def _name(stem: str) -> str:
    return f"{stem}{next(_numbers)}"


# T34: requests of a shape that no client sends.


def _raw(hub: World, data: bytes) -> bytes:
    split = urlsplit(hub.hub.http)
    with socket.create_connection((split.hostname or "", split.port or 0), timeout=20) as peer:
        peer.settimeout(20)
        got = b""
        try:
            peer.sendall(data)
            while piece := peer.recv(65536):
                got += piece
        except (ConnectionError, TimeoutError):
            pass
    return got


HEAD = b"GET /api/hub/v1/repos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
POST = b"POST /api/hub/v1/orgs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SHAPES = {
    "a header of 100 kB": HEAD + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    "ten thousand headers": HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)) + b"\r\n",
    "an address of 100 kB": b"GET /api/hub/v1/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "length and chunks": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "a bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a line end in a header": HEAD + b"X-A: a\rb\r\n\r\n",
    "a NUL in a header": HEAD + b"X-A: a\0b\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_T34_malformed_requests_are_refused_and_hurt_nobody(hub: World, shape: str) -> None:
    answer = _raw(hub, SHAPES[shape])
    status = answer.split(b"\r\n", 1)[0]
    assert not answer or b" 400 " in status or b" 413 " in status or b" 431 " in status, status
    assert answer.count(b"HTTP/1.") <= 1, "one request, one answer"
    assert hub.ada.get("/me").status == 200


def test_T34_an_unpacked_body_is_limited(hub: World) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    before = _memory(hub)
    assert hub.ada.send("POST", PREFIX + "/orgs", data=bomb, headers=headers).status == 413
    assert _memory(hub) - before < 64 * 1024 * 1024


def _memory(hub: World) -> int:
    """The most that the daemon ever held, in bytes."""
    status = Path(f"/proc/{hub.hub.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


# T69: links come from the settings, never from what a client says of the host.

HOSTS = ["evil.example", "evil.example:80", "a b", "127.0.0.1@evil.example", "\u00e9"]
FORWARDED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "host=evil.example;proto=https",
}


def _links(world: World, headers: dict[str, str]) -> list[str]:
    old = world.repo(_name("old"))
    world.ada.put(f"{old}/address", {"name": _name("new")})
    auth = {"Authorization": f"Bearer {world.ada.token}"}
    sent = auth | headers
    listed = world.nobody.send("GET", f"{PREFIX}/repos", query={"limit": 1}, headers=sent)
    moved = world.nobody.send("GET", PREFIX + old, headers=sent)
    shown = world.nobody.send("GET", PREFIX + FULL, headers=sent)
    assert (listed.status, moved.status, shown.status) == (200, 308, 200)
    link = listed.headers["Link"]
    return [link, moved.headers["Location"], shown.json["http_url"], shown.json["ssh_url"]]


@pytest.mark.parametrize("headers", [*({"Host": h} for h in HOSTS[:2]), FORWARDED])
def test_T69_links_do_not_follow_the_host_header(hub: World, headers: dict[str, str]) -> None:
    for link in _links(hub, headers):
        assert "evil" not in link
        assert "127.0.0.1" in link


def test_T69_links_are_of_the_settings_where_there_are_some(tmp_path: Path) -> None:
    urls = ["https://hub.example", "http://hub.internal:8080"]
    with World.started(tmp_path, public_urls=urls) as world:
        for host, url in (("evil.example", urls[0]), ("hub.internal:8080", urls[1])):
            links = _links(world, {"Host": host})
            assert links[0].startswith(f"<{url}/api/hub/v1/")
            assert links[1].startswith(f"{url}/api/hub/v1/")
            assert links[2].startswith(f"{url}/ada/")


def test_T69_a_stranger_cannot_choose_the_address_that_is_recorded(hub: World) -> None:
    name = _name("recorded")
    headers = {"Authorization": f"Bearer {hub.root.token}", "Content-Type": "application/json"}
    body = b'{"name":"' + name.encode() + b'"}'
    made = hub.nobody.send("POST", PREFIX + "/users", data=body, headers=headers | FORWARDED)
    assert made.status == 201
    assert hub.root.get("/audit", target=name).json[0]["address"] == "127.0.0.1"


def test_T69_no_name_breaks_a_header(hub: World) -> None:
    for path in ("/repos?search=a%0d%0aX-Evil:%201&limit=1", "/namespaces/a%0d%0aX-Evil:%201"):
        assert "X-Evil" not in hub.ada.get(path).headers
    raw = hub.ada.get(FULL + "/raw", path='a"\r\nX-Evil: 1')
    assert raw.status in {400, 404}
    assert "X-Evil" not in raw.headers
