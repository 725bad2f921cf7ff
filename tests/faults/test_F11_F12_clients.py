"""F09, F10, F11, F12, F14, F19, F21: crowds, clients that vanish, races, restarts."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest

from tests.faults import checker
from tests.gitkit import (
    FLUSH,
    ZERO,
    Objects,
    basic,
    connect,
    git_children,
    http,
    memory_kib,
    pkt,
    push_http,
    push_request,
    refs_of,
    ssh,
    until,
)
from tests.hubkit import Repo, World


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "attack.git")


def quiet(world: World, repo: Repo) -> bool:
    return (
        git_children(world.hub.process.pid) == []
        and not list(repo.dir.glob("objects/tmp_objdir*"))
        and not [f for f in repo.dir.rglob("*.lock") if f.name != "hubd.lock"]
        and not world.sql("SELECT id FROM pushes WHERE state = 'intent'")
    )


def test_F11_a_client_that_vanishes_leaves_nothing(own: World, objects: Objects) -> None:
    repo = own.repo()
    base = objects.simple(os.urandom(3 << 20), name=b"big")
    body = push_request([(ZERO, base, "refs/heads/main")], objects.pack_reachable(base))
    assert push_http(own.hub, repo.path, own.tokens["ada"], body).accepted("refs/heads/main")
    tip = objects.simple(os.urandom(2 << 20), base, name=b"other")
    push = push_request(
        [(base, tip, "refs/heads/main")], objects.pack_reachable(tip, without=[base])
    )
    fetch = (
        pkt(b"command=fetch\n") + b"0001" + pkt(f"want {base}\n".encode()) + pkt(b"done\n") + FLUSH
    )
    auth = f"Authorization: {basic(own.tokens['ada'])}\r\n"

    def post(service: str, length: int) -> bytes:
        return (
            f"POST /{repo.path}/git-{service} HTTP/1.1\r\nHost: x\r\n{auth}Git-Protocol: version=2\r\n"
            f"Content-Type: application/x-git-{service}-request\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    states = [
        b"",
        b"POST /",
        post("receive-pack", len(push)),
        post("receive-pack", len(push)) + push[:100],
        post("receive-pack", len(push)) + push[: len(push) // 2],
        post("receive-pack", len(push)) + push,
        post("upload-pack", len(fetch)) + fetch[:20],
        post("upload-pack", len(fetch)) + fetch,
    ]
    for data in states:
        for linger in (False, True):
            sock = connect(own.hub, "http")
            sock.sendall(data)
            time.sleep(0.05)
            if linger:  # a reset instead of an end
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
    for cut in (b"", push[:50], push[: len(push) // 2]):
        ssh(own.hub, own.keys["ada"], f"git-receive-pack '/{repo.path}'", stdin=cut)
    until(lambda: quiet(own, repo), 15, "something is left of a client that vanished")
    assert checker.faults(own.hub.data, acknowledged={repo.id: [base]}) == []


def race(world: World, rounds: int, clients: int) -> None:
    repo = world.repo()
    works = [world.work() for _ in range(clients)]
    first = works[0].commit({"a": "0"})
    assert works[0].push(repo.http).returncode == 0
    tip = first
    for number in range(rounds):

        def go(pair: tuple[int, object], base: str = tip, step: int = number) -> str:
            index, _ = pair
            work = works[index]
            work.git("fetch", "-q", repo.url("ssh" if index % 2 else "http"), "main")
            work.git("reset", "-q", "--hard", base)
            mine = work.commit({"a": f"{step}-{index}"})
            done = work.push(repo.url("ssh" if index % 2 else "http"))
            return mine if done.returncode == 0 else ""

        with ThreadPoolExecutor(clients) as pool:
            won = [oid for oid in pool.map(go, enumerate(works)) if oid]
        assert len(won) == 1, f"round {number}: {len(won)} won"
        tip = refs_of(world.hub, repo.http)["refs/heads/main"]
        assert tip == won[0]
    until(lambda: quiet(world, repo), 10)
    # fsck stumbles over packs that maintenance, due after so many pushes, takes away meanwhile.
    assert checker.wait_sound(world.hub.data, {repo.id: [first, tip]}) == []


def test_F12_exactly_one_of_many_pushes_wins_each_step(own: World) -> None:
    race(own, 2, 8)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_F12_fifty_clients_twenty_rounds(own: World) -> None:
    race(own, 20, 50)


def test_F12_pushes_to_many_refs_all_win(own: World, objects: Objects) -> None:
    repo = own.repo()
    tips = [objects.simple(b"%d\n" % i) for i in range(20)]
    bodies = [
        push_request(
            [(ZERO, tip, f"refs/heads/b{i}-{j}") for j in range(25)], objects.pack_reachable(tip)
        )
        for i, tip in enumerate(tips)
    ]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda b: push_http(own.hub, repo.path, own.tokens["ada"], b), bodies)
        )
    assert all(line.startswith(("ok", "unpack ok")) for a in answers for line in a.report)
    assert len(set(refs_of(own.hub, repo.http)) - {"HEAD"}) == 500
    assert checker.faults(own.hub.data, acknowledged={repo.id: tips}) == []


def idle(world: World, each: int, most_kib: int) -> None:
    socks = []
    try:
        for number in range(each):
            source = f"127.0.{number // 200 + 1}.{number % 200 + 2}"
            sock = connect(world.hub, "http", source=source)
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            socks.append(sock)
            socks.append(connect(world.hub, "ssh", source=source))
        for sock in socks:
            assert sock.recv(4096)
        began = time.monotonic()
        assert b"Hi ada" in ssh(world.hub, world.keys["ada"]).stderr
        assert time.monotonic() - began < 5
        assert memory_kib(world.hub.process.pid) <= most_kib
    finally:
        for sock in socks:
            sock.close()
    until(lambda: _open_files(world) < 100, 20, "descriptors leak")


def test_F09_two_hundred_idle_connections_of_each_kind(own: World) -> None:
    idle(own, 200, 170 * 1024)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_F09_a_thousand_idle_connections_of_each_kind(own: World) -> None:
    idle(own, 1000, 150 * 1024)


def crowd_of_slow_ones(make_world: Callable[..., World], objects: Objects, each: int) -> None:
    """Clients that never read a clone, and clients that never end their request."""
    world = make_world(idle_timeout=5)
    repo = world.repo()
    tip = objects.simple(os.urandom(8 << 20), name=b"big")
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    assert push_http(world.hub, repo.path, world.tokens["ada"], body).accepted("refs/heads/main")
    fetch = (
        pkt(b"command=fetch\n") + b"0001" + pkt(f"want {tip}\n".encode()) + pkt(b"done\n") + FLUSH
    )
    head = (
        f"POST /{repo.path}/git-upload-pack HTTP/1.1\r\nHost: x\r\nGit-Protocol: version=2\r\n"
        f"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {len(fetch)}\r\n\r\n"
    ).encode()
    # Says nothing; half a head; half a body; all but the reading.
    sent = [b"", head[:40], head + fetch[:10], head + fetch]
    socks = []
    try:
        for number in range(each * len(sent)):
            sock = connect(world.hub, "http")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(sent[number % len(sent)])
            socks.append(sock)
        for channel in ("http", "ssh") * 3:
            env = world.keys["ada"].env
            assert refs_of(world.hub, repo.url(channel), env)["refs/heads/main"] == tip
        assert memory_kib(world.hub.process.pid) < 200 * 1024
        until(lambda: _open_files(world) < 100, 60, "slow clients hold their connections for ever")
        until(lambda: quiet(world, repo), 20)
    finally:
        for sock in socks:
            sock.close()


def _open_files(world: World) -> int:
    return len(list(Path(f"/proc/{world.hub.process.pid}/fd").iterdir()))


def test_F10_slow_clients_do_not_stop_others(
    make_world: Callable[..., World], objects: Objects
) -> None:
    crowd_of_slow_ones(make_world, objects, 60)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_F10_thirteen_hundred_slow_clients(
    make_world: Callable[..., World], objects: Objects
) -> None:
    crowd_of_slow_ones(make_world, objects, 333)


def test_F14_what_a_dead_daemon_left_is_cleared_at_start(own: World) -> None:
    repo, work = own.repo(), own.work()
    first = work.commit()
    assert work.push(repo.http).returncode == 0
    own.hub.kill()
    old = time.time() - 3600
    left = [
        repo.dir / "refs/heads/main.lock",
        repo.dir / "packed-refs.lock",
        repo.dir / "HEAD.lock",
        repo.dir / "objects/tmp_objdir-incoming-dead/pack/x",
        repo.dir / "objects/pack/tmp_pack_dead",
        repo.dir / "objects/pack/.tmp-1-pack-dead.pack",
        repo.dir / "objects/ab/tmp_obj_dead",
        repo.dir / "objects/info/commit-graphs/tmp_graph_dead",
        repo.dir / "packed-refs.new",
        repo.dir / "shallow_dead",
    ]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
        os.utime(file, (old, old))
    os.utime(repo.dir / "objects/tmp_objdir-incoming-dead", (old, old))
    # An intent of a process whose number somebody else has by now.
    import sqlite3

    with sqlite3.connect(own.hub.data / "hubd.db") as conn:
        conn.execute(
            "UPDATE pushes SET state = 'intent', process_group = ?, process_started = 1.0 WHERE id IN"
            " (SELECT max(id) FROM pushes)",
            (os.getpgid(0),),
        )
        conn.execute("DELETE FROM events")
    conn.close()
    own.hub.start()
    until(lambda: not [f for f in left if f.exists()], 15, "stale files stay")
    assert "leftovers.removed" in own.hub.log()
    own.op("repo.gc", repo=repo.name)  # packs the refs, which packed-refs.new forbids
    work.commit()
    assert work.push(repo.http).returncode == 0
    assert checker.wait_sound(own.hub.data, {repo.id: [first, work.head()]}) == []


def blockers(log: str) -> set[str]:
    """What held up the loop: file and function at the end of each stack."""
    lines = (msgspec.json.decode(line) for line in log.splitlines() if line.startswith("{"))
    stacks = [line["stack"] for line in lines if line["event"] == "loop.blocked"]
    inner = {re.findall(r'File "([^"]+)", line \d+, in (\w+)', stack)[-1] for stack in stacks}
    # Where the loop itself waits, nothing of hubd's held it up, but the machine.
    return {f"{file} {name}" for file, name in inner if not file.endswith("/selectors.py")}


def busy_day(world: World) -> str:
    """A little of everything that takes long; what the log says of it."""
    begun = len(world.hub.log())
    repo, work = world.repo(), world.work()
    files: dict[str, bytes | str] = {f"d{n % 50}/f{n}.py": f"x = {n}\n" * 50 for n in range(3000)}
    work.commit({**files, "README.md": "# Title\n" + "* [a](b) **c** `d`\n" * 3000})
    for number in range(10):
        work.commit({f"f{number}": os.urandom(100_000), "big.py": "y = 'z' * 3\n" * 20_000})
        assert work.push(repo.url("ssh" if number % 2 else "http")).returncode == 0
    refs = [f"HEAD:refs/heads/b{number}" for number in range(2000)]
    assert work.push(repo.http, *refs).returncode == 0
    for channel in ("http", "ssh"):
        world.work().git("fetch", "-q", repo.url(channel))
    token = world.tokens["ada"]
    pages = ["", "/tree/main/d1", "/blob/main/big.py", "/commits/main", "/commit/main"]
    asked = [f"/{repo.path}{page}" for page in pages]
    there = f"/api/hub/v1/repos/model/{repo.name}"
    asked += [
        "/api/hub/v1/openapi.json",
        f"{there}/refs",
        f"{there}/tree?path=d1",
        f"{there}/commits",
    ]
    assert [http(world.hub, "GET", path, token=token)[0] for path in asked] == [200] * len(asked)
    world.op("repo.gc", repo=repo.name)
    world.op("user.add", name=f"u{repo.id}", password="a long password")
    return world.hub.log()[begun:]


def test_F19_nothing_holds_up_the_loop(make_world: Callable[..., World]) -> None:
    stack = '"stack": "  File \\"/x/hubd/core/y.py\\", line 3, in slow"'
    assert blockers('{"event": "loop.blocked", ' + stack + "}\n") == {"/x/hubd/core/y.py slow"}
    world = make_world(log_format="json")
    found = blockers(busy_day(world))
    if found:
        # On a machine in need anything may be late once; what blocks does so again.
        found &= blockers(busy_day(world))
    assert found == set()


def test_F21_sigterm_lets_pushes_finish(own: World) -> None:
    own.hub.kill()
    own.hub.settings["shutdown_grace"] = 30
    own.hub._extra_env = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": "push.before_finish=sleep:2"}
    own.hub.start()
    repos = [own.repo() for _ in range(4)]
    works = [own.work() for _ in repos]
    tips = [work.commit() for work in works]
    with ThreadPoolExecutor(4) as pool:
        pushed = [
            pool.submit(w.push, r.url("ssh" if i % 2 else "http"))
            for i, (w, r) in enumerate(zip(works, repos, strict=True))
        ]
        until(lambda: len(own.sql("SELECT 1 FROM pushes WHERE state = 'intent'")) == 4, 20)
        stopping = threading.Thread(target=own.hub.stop, args=(60,))
        stopping.start()
        codes = [future.result().returncode for future in pushed]
        stopping.join()
    assert codes == [0] * 4
    own.hub._extra_env = {}
    own.hub.start()
    told = {repo.id: [tip] for repo, tip in zip(repos, tips, strict=True)}
    assert checker.wait_sound(own.hub.data, told) == []


def test_F21_idle_connections_do_not_hold_up_the_end(own: World) -> None:
    own.hub.kill()
    own.hub.settings["shutdown_grace"] = 600
    own.hub.start()
    with (
        contextlib.closing(connect(own.hub)),
        contextlib.closing(HTTPConnection(own.hub.http.partition("//")[2])) as asked,
    ):
        asked.request("GET", "/healthz")
        assert asked.getresponse().read()
        assert own.hub.stop(60) == 0
