"""hubd behind the proxies whose samples it ships."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from benchmarks.servers import free_port
from tests.gitkit import FLUSH, ZERO, Objects, Work, http, parse_answer, pkt, push_request
from tests.hubkit import World
from tests.hubproc import Hub, git
from tests.lfskit import MEDIA_TYPE, Big
from tests.ops import proxies
from tests.ops.proxies import HOST, Proxy


@dataclass(frozen=True)
class Behind:
    """A hub, and the proxy in front of it."""

    world: World
    proxy: Proxy

    def url(self, path: str, user: str = "ada") -> str:
        """A repository's address through the proxy, with a credential."""
        token = self.world.tokens[user]
        return self.proxy.url.replace("://", f"://x:{token}@") + f"/{path}"

    def git(self, work: Work, *args: str) -> None:
        """A git client that goes through the proxy."""
        work.git(*self.proxy.git_settings, *args)


@pytest.fixture(scope="module", params=proxies.NAMES)
def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    if proxies.program(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    port = free_port()
    settings: dict[str, Any] = {
        "public_urls": [f"https://{HOST}:{port}"],
        "trusted_proxies": ["127.0.0.1"],
        "api_rate": "30/minute",
    }
    with Hub(folder / "data", shutdown_grace=2, **settings) as hub:
        world = World.populate(hub, folder)
        upstream = hub.http.removeprefix("http://")
        with proxies.running(request.param, folder / "proxy", upstream, port) as proxy:
            yield Behind(world, proxy)


def test_large_pushes_and_clones_go_through(behind: Behind, tmp_path: Path) -> None:
    repo, work = behind.world.repo("private"), behind.world.work()
    # Each below the limit for files, all together more than any proxy takes by default.
    work.commit({f"{number}.dat": Big.random(5_000_000).data for number in range(5)})
    behind.git(work, "push", "-q", behind.url(repo.path), "HEAD:main")
    copy = tmp_path / "copy"
    git(*behind.proxy.git_settings, "clone", "-q", behind.url(repo.path), copy)
    git("fsck", "--full", cwd=copy)
    for number in range(200):
        work.commit({"n": str(number)})
    behind.git(work, "push", "-q", behind.url(repo.path), "HEAD:main")
    # Enough haves that the client compresses its request.
    git(*behind.proxy.git_settings, "pull", "-q", cwd=copy)
    assert (copy / "n").read_text() == "199"


def test_bodies_of_every_form_go_through(behind: Behind, tmp_path: Path) -> None:
    repo, objects = behind.world.repo("private"), Objects(tmp_path / "objects.git")
    base = objects.simple(Big.random(3_000_000).data)
    body = tmp_path / "body"
    auth = ("-u", f"x:{behind.world.tokens['ada']}", "-H", "Git-Protocol: version=2")

    def post(service: str, *options: str) -> bytes:
        kind = f"Content-Type: application/x-git-{service}-request"
        given = (*auth, "-H", kind, "--data-binary", f"@{body}", *options)
        return behind.proxy.curl(f"/{repo.path}/git-{service}", *given).stdout

    forms = {
        "length": ("-H", "Expect:"),
        "chunked": ("-H", "Transfer-Encoding: chunked"),
        "waits": ("-H", "Expect: 100-continue"),
        "chunked-waits": ("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"),
    }
    for name, options in forms.items():
        refs = [(ZERO, base, f"refs/heads/{name}")]
        body.write_bytes(push_request(refs, objects.pack_reachable(base)))
        assert parse_answer(200, post("receive-pack", *options)).accepted(f"refs/heads/{name}")
    want = pkt(f"want {base}\n".encode())
    fetch = pkt(b"command=fetch\n") + b"0001" + want + pkt(b"done\n") + FLUSH
    for data, more in ((fetch, ()), (gzip.compress(fetch), ("-H", "Content-Encoding: gzip"))):
        body.write_bytes(data)
        for options in forms.values():
            assert b"PACK" in post("upload-pack", *more, *options)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", proxies.NAMES)
def test_an_operation_that_is_silent_for_minutes_goes_through(name: str, tmp_path: Path) -> None:
    env = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": "push.before_intent=sleep:130"}
    port = free_port()
    with Hub(tmp_path / "data", env=env, shutdown_grace=2) as hub:
        world = World.populate(hub, tmp_path)
        upstream = hub.http.removeprefix("http://")
        with proxies.running(name, tmp_path / "proxy", upstream, port) as proxy:
            repo, work = world.repo("private"), world.work()
            work.commit()
            Behind(world, proxy).git(work, "push", Behind(world, proxy).url(repo.path), "HEAD:main")


def test_large_files_go_through_and_links_name_the_proxy(behind: Behind, tmp_path: Path) -> None:
    repo, big = behind.world.repo("private"), Big.random(30_000_000)
    (tmp_path / "big").write_bytes(big.data)
    token = behind.world.tokens["ada"]

    def action(operation: str) -> str:
        body = msgspec.json.encode({"operation": operation, "objects": [big.named]}).decode()
        done = behind.proxy.curl(
            f"/{repo.path}.git/info/lfs/objects/batch",
            *("-u", f"x:{token}", "-H", f"Content-Type: {MEDIA_TYPE}", "-d", body),
        )
        href = msgspec.json.decode(done.stdout)["objects"][0]["actions"][operation]["href"]
        assert href.startswith(behind.proxy.url)
        return str(href.removeprefix(behind.proxy.url))

    up = action("upload")
    for extra in ((), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")):
        sent = behind.proxy.curl(up, "-T", str(tmp_path / "big"), "-w", "%{http_code}", *extra)
        assert sent.stdout == b"200", (extra, sent)
    part = behind.proxy.curl(action("download"), "-r", "20000000-20000099")
    assert part.stdout == big.data[20_000_000:20_000_100]


def test_the_clients_own_address_counts_and_cannot_be_made_up(behind: Behind) -> None:
    for number, forged in enumerate(((), ("-H", "X-Forwarded-For: 192.0.2.9"))):
        name = f"from{number}"
        done = behind.proxy.curl(
            "/api/hub/v1/repos",
            *(
                "--interface",
                "127.0.0.5",
                "-H",
                f"Authorization: Bearer {behind.world.tokens['ada']}",
            ),
            *("-H", "Content-Type: application/json", "-d", f'{{"name": "{name}"}}', *forged),
        )
        assert b'"name"' in done.stdout, done
        rows = behind.world.sql(
            "SELECT address FROM audit WHERE action = 'repo.create' AND target LIKE ?", f"%{name}"
        )
        assert rows == [("127.0.0.5",)]


def test_rates_are_counted_by_the_clients_own_address(behind: Behind) -> None:
    def status(client: str, forged: str) -> bytes:
        options = ("--interface", client, "-H", f"X-Forwarded-For: {forged}")
        told = ("-o", "/dev/null", "-w", "%{http_code}")
        return behind.proxy.curl("/api/hub/v1/repos", *options, *told).stdout

    codes = [status("127.0.0.6", f"192.0.2.{number}") for number in range(40)]
    assert codes[0] == b"200"
    assert codes[-1] == b"429"
    assert status("127.0.0.7", "127.0.0.6") == b"200"


def test_nobody_is_believed_who_is_no_trusted_proxy(tmp_path: Path) -> None:
    with Hub(tmp_path / "data", api_rate="5/minute", shutdown_grace=2) as hub:
        world = World.populate(hub, tmp_path)
        codes = [
            http(hub, "GET", "/api/hub/v1/repos", headers={"X-Forwarded-For": f"192.0.2.{number}"})
            for number in range(7)
        ]
        assert [code for code, _, _ in codes] == [200] * 5 + [429] * 2
        headers = {"X-Forwarded-For": "192.0.2.9", "Content-Type": "application/json"}
        body = b'{"name": "mine"}'
        token = world.tokens["ada"]
        http(hub, "POST", "/api/hub/v1/repos", token=token, body=body, headers=headers)
        rows = world.sql("SELECT address FROM audit WHERE action = 'repo.create'")
        assert rows == [("127.0.0.1",)]


def test_pages_are_safe_and_metrics_stay_inside(behind: Behind) -> None:
    page = behind.proxy.curl("/-/login", "-i")
    cookies = [line for line in page.stdout.splitlines() if line.lower().startswith(b"set-cookie")]
    assert cookies
    assert all(b"Secure" in line for line in cookies)
    code = behind.proxy.curl("/metrics", "-o", "/dev/null", "-w", "%{http_code}")
    assert code.stdout == b"404"
    repo = behind.world.repo()
    assert f"{behind.proxy.url}/{repo.path}".encode() in behind.proxy.curl(f"/{repo.path}").stdout


@pytest.mark.parametrize("name", proxies.NAMES)
def test_websockets_go_through(name: str, tmp_path: Path) -> None:
    if proxies.program(name) is None:
        pytest.skip(f"{name} is not installed")
    port = free_port()
    with (
        Echo() as upstream,
        proxies.running(name, tmp_path / "proxy", upstream, port) as proxy,
    ):
        assert asyncio.run(_talk(proxy)) == "heard: hello"


async def _talk(proxy: Proxy) -> str:
    import ssl

    trust = ssl.create_default_context(cafile=str(proxy.certificate))
    trust.check_hostname = False
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"https://127.0.0.1:{proxy.port}/",
            ssl=trust,
            headers={"Host": HOST},
            server_hostname=HOST,
        ) as socket,
    ):
        await socket.send_str("hello")
        return str(await socket.receive_str(timeout=20))


class Echo:
    """A WebSocket server in a thread of its own."""

    def __enter__(self) -> str:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        port = free_port()
        asyncio.run_coroutine_threadsafe(self._start(port), self._loop).result(20)
        return f"127.0.0.1:{port}"

    async def _start(self, port: int) -> None:
        async def handle(request: web.Request) -> web.WebSocketResponse | web.Response:
            socket = web.WebSocketResponse()
            if not socket.can_prepare(request):
                return web.Response(text="no WebSocket")
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(f"heard: {message.data}")
            return socket

        app = web.Application()
        app.add_routes([web.get("/", handle)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
