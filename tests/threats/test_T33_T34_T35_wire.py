"""T33, T34, T35: raw bytes at the doors."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator

import pytest

from tests.gitkit import (
    FLUSH,
    ZERO,
    Objects,
    basic,
    connect,
    git_children,
    http,
    memory_kib,
    push_http,
    push_request,
    read_all,
    refs_of,
    until,
)
from tests.hubkit import Repo, World
from tests.hubproc import Hub

BROKEN = [
    b"0003",
    b"ffff" + b"x" * 10,
    b"zzzz",
    b"-001",
    b"+004",
    b"00 4",
    b"0001" * 1000,
    b"\0\0\0\0",
    b"0004",
    b"fff",
    b"",
    b"0000" * 100_000,
]


@pytest.mark.parametrize("version", ["version=2", "version=1", ""])
@pytest.mark.parametrize("body", BROKEN, ids=[repr(b[:8]) for b in BROKEN])
def test_T33_malformed_packet_lines_end_in_an_answer(
    world: World, repo: Repo, body: bytes, version: str
) -> None:
    for service in ("git-upload-pack", "git-receive-pack"):
        headers = {"Content-Type": f"application/x-{service}-request", "Git-Protocol": version}
        status, _, _ = http(
            world.hub,
            "POST",
            f"/{repo.path}/{service}",
            token=world.tokens["ada"],
            body=body,
            headers=headers,
        )
        assert status in {200, 400}
    until(lambda: git_children(world.hub.process.pid) == [], 10)
    assert refs_of(world.hub, repo.http) == {}


# T34, T35


def raw(hub: Hub, data: bytes, timeout: float = 20.0) -> bytes:
    with connect(hub, "http", timeout) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "data",
    [
        head("POST /ada/x/git-upload-pack", "Content-Length: 4", "Transfer-Encoding: chunked")
        + b"0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        head("POST /ada/x/git-upload-pack", "Content-Length: 4", "Content-Length: 5") + b"0000",
        head("POST /ada/x/git-upload-pack", "Transfer-Encoding: chunked") + b"zz\r\nx\r\n",
        head("POST /ada/x/git-upload-pack", "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
        head("GET /healthz", "X: " + "a" * 100_000),
        head("GET /healthz", *[f"X-{i}: 1" for i in range(10_000)]),
        head("GET /" + "a" * 100_000),
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"\0\1\2\r\n\r\n",
        head("GET /healthz", "Bad Header: 1"),
        head("POST /ada/x/git-upload-pack", "Content-Length: -1"),
    ],
)
def test_T34_smuggling_and_huge_heads_are_refused(world: World, data: bytes) -> None:
    answer = raw(world.hub, data)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")) or answer == b"", answer[:200]
    assert b"hubd_" not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1, "no second request came out of the first"
    assert http(world.hub, "GET", "/healthz")[0] == 200


def test_T34_expect_and_ranges(world: World, repo: Repo) -> None:
    ranges = "bytes=" + ",".join(f"{i}-{i}" for i in range(1000))
    question = f"/{repo.path}/info/refs?service=git-upload-pack"
    assert http(world.hub, "GET", question, headers={"Range": ranges})[0] in {200, 416}
    for expect in ("100-continue", "200-maybe"):
        answer = raw(
            world.hub,
            head(
                f"POST /{repo.path}/git-upload-pack",
                f"Expect: {expect}",
                "Content-Type: application/x-git-upload-pack-request",
                "Content-Length: 4",
            )
            + FLUSH,
        )
        assert b"HTTP/1.1 5" not in answer


def test_T34_gzip_that_is_none(world: World, repo: Repo) -> None:
    for body in (b"not gzip", gzip.compress(b"0000")[:-4]):
        status, _, _ = http(
            world.hub,
            "POST",
            f"/{repo.path}/git-upload-pack",
            body=body,
            headers={
                "Content-Type": "application/x-git-upload-pack-request",
                "Content-Encoding": "gzip",
            },
        )
        assert status in {200, 400}


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub that waits five seconds at most."""
    folder = tmp_path_factory.mktemp("short")
    with Hub(folder / "data", idle_timeout=5, ssh_login_timeout=5, shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


def test_T35_slow_clients_are_given_up_and_others_served(short: World, objects: Objects) -> None:
    repo = short.repo()
    tip = objects.simple()
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    assert push_http(short.hub, repo.path, short.tokens["ada"], body).accepted("refs/heads/main")
    auth = f"Authorization: {basic(short.tokens['ada'])}"
    kinds = {
        "silent": b"",
        "half a head": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        "a fetch without its body": head(
            f"POST /{repo.path}/git-upload-pack",
            "Content-Length: 100",
            "Content-Type: application/x-git-upload-pack-request",
        ),
        "a push without its body": head(
            f"POST /{repo.path}/git-receive-pack",
            "Content-Length: 100",
            auth,
            "Content-Type: application/x-git-receive-pack-request",
        ),
        "a form without its end": head(
            f"POST /api/v1/models/{repo.path}/upload_file",
            "Content-Length: 1000",
            auth,
            'Content-Type: multipart/form-data; boundary="x"',
        ),
    }
    kinds["a file without its end"] = kinds["a form without its end"] + (
        b'--x\r\nContent-Disposition: form-data; name="file_path"\r\n\r\na\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf'
    )
    socks = []
    for data in kinds.values():
        for _ in range(20):
            sock = connect(short.hub, "http", 30)
            sock.sendall(data)
            socks.append(sock)
    socks += [connect(short.hub, "ssh", 30) for _ in range(20)]
    began = time.monotonic()
    assert refs_of(short.hub, repo.http)["refs/heads/main"] == tip
    assert time.monotonic() - began < 5
    try:
        for sock in socks:
            sock.settimeout(max(1.0, 25 - (time.monotonic() - began)))
            read_all(sock)
    finally:
        for sock in socks:
            sock.close()
    until(lambda: git_children(short.hub.process.pid) == [], 10)
    assert memory_kib(short.hub.process.pid) < 200 * 1024
    assert http(short.hub, "GET", "/healthz")[0] == 200
