"""Large files: git-lfs against hubd, giftless (uploads, downloads) and nginx (downloads)."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.clients import fresh, git
from benchmarks.servers import Server, free_port, wait_for_port

_PIECE = 1024 * 1024
_TIMEOUT = 1800
# In a folder of its own: what it wants is not what hubd wants. Its package names nothing itself.
_GIFTLESS = (
    "giftless==0.6.2",
    "cachetools<6",
    "figcan",
    "flask==2.3.3",
    "flask-classful",
    "flask-marshmallow<1.3",
    "gunicorn==23.0.0",
    "marshmallow<4",
    "pyjwt<2.10",
    "python-dateutil",
    "python-dotenv",
    "pyyaml",
    "setuptools<81",
    "typing-extensions",
    "webargs<9",
    "werkzeug==2.3.8",
)
_SETTINGS = """
LEGACY_ENDPOINTS: false
AUTH_PROVIDERS: [giftless.auth.allow_anon:read_write]
TRANSFER_ADAPTERS:
  basic:
    factory: giftless.transfer.basic_streaming:factory
    options:
      storage_class: giftless.storage.local_storage:LocalStorage
      storage_options: {{path: {store}}}
      action_lifetime: 3600
"""


class Giftless(Server):
    """giftless with local storage behind two gunicorn workers; anybody may do anything."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self._place = place
        self.port = free_port()

    @property
    def url(self) -> str:
        """The LFS address of a repository."""
        return f"http://127.0.0.1:{self.port}/bench/large.git/info/lfs"

    def start(self) -> None:
        """Install it, write its settings, start it."""
        uv, python = Path(sys.prefix) / "bin" / "uv", self._place / "venv" / "bin" / "python"
        fresh(self._place)
        subprocess.run([uv, "venv", "--quiet", self._place / "venv"], check=True)
        install = [str(uv), "pip", "install", "--quiet", "--python", str(python), *_GIFTLESS]
        subprocess.run(install, check=True)
        # Its workers would make it both at once, and the second would fail.
        (self._place / "store").mkdir(parents=True)
        settings = self._place / "giftless.yaml"
        settings.write_text(_SETTINGS.format(store=self._place / "store"))
        argv = [str(python), "-m", "gunicorn", "--workers=2", "--timeout=1800", "--log-level=error"]
        argv += [f"--bind=127.0.0.1:{self.port}", "giftless.wsgi_entrypoint:app"]
        env = {"PATH": os.defpath, "HOME": str(self._place), "PYTHONWARNINGS": "ignore"}
        self._spawn(argv, env={**env, "GIFTLESS_CONFIG_FILE": str(settings)})
        wait_for_port(self.port)

    def processor_time(self) -> float:
        """Seconds of processor time of the server and its workers so far."""
        main = self._processes[0].pid
        found = subprocess.run(["pgrep", "-P", str(main)], capture_output=True, check=False)
        return sum(processor_time(pid) for pid in [main, *map(int, found.stdout.split())])


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process used itself so far."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Account:
    """A repository's address and the credential for it."""

    url: str
    token: str

    def post(self, operation: str, named: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A batch; its objects."""
        body = msgspec.json.encode({"operation": operation, "objects": named})
        secret = b64encode(f"x:{self.token}".encode()).decode()
        headers = {
            "Authorization": f"Basic {secret}",
            "Content-Type": "application/vnd.git-lfs+json",
        }
        request = urllib.request.Request(f"{self.url}/objects/batch", body, headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            return list(msgspec.json.decode(answer.read())["objects"])


class LargeFiles:
    """A working copy whose large files are others in each round; git-lfs sends and fetches them."""

    def __init__(
        self, place: Path, url: str, count: int, size: int, env: Mapping[str, str]
    ) -> None:
        self.place, self._url, self._count, self._size = place, url, count, size
        self._env = env
        self._noise = os.urandom(min(size, 8 * _PIECE))
        self.oids: list[str] = []
        git("init", "--quiet", "-b", "main", place, env=env)
        git("remote", "add", "origin", url, cwd=place, env=env)
        if url.startswith("http"):
            git("config", "lfs.url", self.lfs_url, cwd=place, env=env)
        for name, value in (("lfs.locksverify", "false"), ("lfs.concurrenttransfers", "8")):
            git("config", name, value, cwd=place, env=env)

    @property
    def lfs_url(self) -> str:
        """Where git-lfs asks."""
        return self._url if self._url.endswith("/info/lfs") else f"{self._url}.git/info/lfs"

    def renew(self) -> None:
        """Put other files where git-lfs keeps them, and commit their pointers."""
        store = self.place / ".git" / "lfs" / "objects"
        fresh(store)
        self.oids = [self._make(store) for _ in range(self._count)]
        for number, oid in enumerate(self.oids):
            text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\n"
            (self.place / f"{number}.bin").write_text(f"{text}size {self._size}\n")
        (self.place / ".gitattributes").write_text("*.bin -filter -text\n")
        git("add", "-A", cwd=self.place, env=self._env)
        git("commit", "--quiet", "-m", "Other files", cwd=self.place, env=self._env)

    def _make(self, store: Path) -> str:
        hasher, left = hashlib.sha256(), self._size
        temporary, head = store / "new", os.urandom(16)
        with temporary.open("wb") as file:
            while left:
                piece = (head + self._noise[len(head) :])[: min(left, len(self._noise))]
                hasher.update(piece)
                file.write(piece)
                left -= len(piece)
        oid = hasher.hexdigest()
        target = store / oid[:2] / oid[2:4] / oid
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.rename(target)
        return oid

    def push(self) -> None:
        """Send all of them."""
        git("lfs", "push", "--object-id", "origin", *self.oids, cwd=self.place, env=self._env)

    def forget(self) -> None:
        """Empty the client's store."""
        fresh(self.place / ".git" / "lfs" / "objects")

    def fetch(self) -> None:
        """Fetch all of them."""
        git("lfs", "fetch", "origin", "main", cwd=self.place, env=self._env)
        found = sum(1 for _ in (self.place / ".git" / "lfs" / "objects").glob("*/*/*"))
        if found != len(set(self.oids)):
            raise RuntimeError(f"git lfs fetch: {found} files instead of {len(self.oids)}")


def get_to_nowhere(url: str, size: int) -> None:
    """GET whose answer the kernel throws away; checks status and size."""
    parts = urlsplit(url)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    count = 0
    with socket.create_connection((parts.hostname, parts.port), timeout=_TIMEOUT) as client:
        client.sendall(head.encode())
        first = client.recv(4096)
        if not first.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"GET: {first[:200]!r}")
        count += len(first)
        nowhere = bytearray(_PIECE)
        while got := client.recv_into(nowhere, _PIECE, socket.MSG_TRUNC):
            count += got
    if count < size:
        raise RuntimeError(f"GET: {count} bytes instead of {size}")


def put_noise(url: str, head: bytes, noise: bytes, size: int) -> None:
    """PUT a file that is ``head`` and then noise, again and again."""
    parts = urlsplit(url)
    lines = f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=_TIMEOUT) as client:
        client.sendall(f"{lines}Content-Length: {size}\r\n\r\n".encode())
        for piece in noise_pieces(head, noise, size):
            client.sendall(piece)
        answer = client.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"PUT: {answer[:200]!r}")


def noise_pieces(head: bytes, noise: bytes, size: int) -> Iterator[bytes]:
    """The file that ``put_noise`` sends."""
    piece = head + noise[len(head) :]
    for at in range(0, size, len(piece)):
        yield piece[: size - at]


@dataclass(frozen=True)
class Crowd:
    """What eight transfers at once did to the daemon: MB held, and the slowest small answers."""

    memory: float
    calls: int
    middle: float
    slowest: float


def crowd(account: Account, api: str, pid: int, size: int) -> Crowd:
    """Four uploads and four downloads of ``size`` bytes at once, and small API calls meanwhile."""
    noise, heads = os.urandom(_PIECE), [os.urandom(16) for _ in range(5)]
    named = []
    for head in heads:
        hasher = hashlib.sha256()
        for piece in noise_pieces(head, noise, size):
            hasher.update(piece)
        named.append({"oid": hasher.hexdigest(), "size": size})
    offers = {one["oid"]: one["actions"]["upload"] for one in account.post("upload", named)}
    hrefs = [offers[one["oid"]]["href"] for one in named]
    put_noise(hrefs[0], heads[0], noise, size)
    (stored,) = account.post("download", named[:1])
    down = stored["actions"]["download"]["href"]
    # From here on the most that is held counts anew (proc(5), clear_refs).
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    waits: list[float] = []
    with ThreadPoolExecutor(8) as pool:
        work: list[Future[None]] = [pool.submit(get_to_nowhere, down, size) for _ in range(4)]
        for href, head in zip(hrefs[1:], heads[1:], strict=True):
            work.append(pool.submit(put_noise, href, head, noise, size))
        while not all(one.done() for one in work):
            waits.append(_seconds_of(api))
            time.sleep(0.05)
        for one in work:
            one.result()
    waits.sort()
    return Crowd(peak_memory(pid), len(waits), waits[len(waits) // 2], waits[-1])


def _seconds_of(url: str) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
        answer.read()
    return time.perf_counter() - began


def peak_memory(pid: int) -> float:
    """The most memory a process ever held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1_000_000
