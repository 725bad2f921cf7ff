"""Real S3 servers for tests: OpenStack Swift, which checks hashes, and JuiceFS, which does not.

`config/bootstrap.sh servers tests/s3servers.lock` installs both into .venv-s3. Each runs in a
folder of its own on free ports of the loopback address and is gone afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubd.blobs.s3_client import S3Client, S3Settings

PROGRAMS = Path(__file__).resolve().parent.parent / ".venv-s3" / "bin"
_SECRET = "a-secret-of-tests"
_KINDS = ("account", "container", "object")


def _need(program: str) -> Path:
    path = PROGRAMS / program
    if not path.exists():
        missing = f"{program} is not here: config/bootstrap.sh servers tests/s3servers.lock"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; held all at once, so that they differ."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


@contextlib.contextmanager
def swift() -> Iterator[S3Settings]:
    """OpenStack Swift with s3api on one node; yields settings with a bucket."""
    _need("swift-proxy-server")
    with _folder("swift") as folder, contextlib.ExitStack() as stack:
        (folder / "devices" / "d1").mkdir(parents=True)
        proxy, *ports = free_ports(1 + len(_KINDS))
        _configure_swift(folder, proxy, ports)
        for name in (*_KINDS, "proxy"):
            command = [PROGRAMS / f"swift-{name}-server", folder / f"{name}.conf"]
            stack.enter_context(_running(command, folder, {"SWIFT_DIR": str(folder)}))
        for port in (*ports, proxy):
            _await_port(port, folder)
        yield _settings(proxy, "hub:tests")


def _configure_swift(folder: Path, proxy: int, ports: list[int]) -> None:
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    default = (
        f"[DEFAULT]\nbind_ip = 127.0.0.1\nuser = {user}\nswift_dir = {folder}\nworkers = 0\n"
        f"devices = {folder / 'devices'}\nmount_check = false\nlog_level = WARNING\n"
    )
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n"
        "[storage-policy:0]\nname = p0\ndefault = yes\n"
    )
    for kind, port in zip(_KINDS, ports, strict=True):
        builder = PROGRAMS / "swift-ring-builder", folder / f"{kind}.builder"
        for words in ("create 6 1 0", f"add r1z1-127.0.0.1:{port}/d1 100", "rebalance"):
            subprocess.run([*builder, *words.split()], check=True, capture_output=True)
        (folder / f"{kind}.conf").write_text(
            f"{default}bind_port = {port}\n[pipeline:main]\npipeline = {kind}-server\n"
            f"[app:{kind}-server]\nuse = egg:swift#{kind}\n"
        )
    filters = {
        "catch_errors": "", "gatekeeper": "", "healthcheck": "", "proxy_logging": "",
        "memcache": "memcache_servers = 127.0.0.1:1\n", "listing_formats": "",
        "s3api": "location = us-east-1\ns3_acl = false\ncheck_bucket_owner = false\n"
        "allow_no_owner = true\nmin_segment_size = 5242880\n",
        "tempauth": f"user_hub_tests = {_SECRET} .admin .reseller_admin\n", "copy": "",
        "bulk": "", "slo": "allow_async_delete = false\n",
        "versioned_writes": "allow_object_versioning = true\n", "symlink": "",
    }  # fmt: skip
    (folder / "proxy.conf").write_text(
        f"{default}bind_port = {proxy}\n"
        f"[pipeline:main]\npipeline = {' '.join(filters)} proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\n"
        "account_autocreate = true\nallow_account_management = true\n"
        + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n{x}" for name, x in filters.items())
    )


@contextlib.contextmanager
def juicefs() -> Iterator[S3Settings]:
    """JuiceFS's gateway over local files; yields settings with a bucket."""
    program = _need("juicefs")
    with _folder("juicefs") as folder:
        meta = f"sqlite3://{folder / 'meta.db'}"
        subprocess.run(
            [program, "format", "--storage", "file", "--bucket", f"{folder / 'data'}/",
             "--trash-days", "0", meta, "hub"],
            check=True, capture_output=True, env={"HOME": str(folder), "PATH": os.defpath},
        )  # fmt: skip
        port, metrics = free_ports(2)
        command: list[str | Path] = [
            program, "gateway", "--log", folder / "log", "--no-banner", "--multi-buckets",
            "--keep-etag", "--object-tag", "--object-meta", "--cache-size", "0",
            "--no-usage-report", "--backup-meta", "0", "--metrics", f"127.0.0.1:{metrics}",
            meta, f"127.0.0.1:{port}",
        ]  # fmt: skip
        keys = {"MINIO_ROOT_USER": "hub-tests", "MINIO_ROOT_PASSWORD": _SECRET}
        with _running(command, folder, keys):
            _await_port(port, folder)
            yield _settings(port, "hub-tests")


def _settings(port: int, access_key: str) -> S3Settings:
    settings = S3Settings(
        bucket="hub",
        endpoint=f"http://127.0.0.1:{port}",
        access_key=access_key,
        secret_key=_SECRET,
        path_style=True,
    )
    with ThreadPoolExecutor(1) as other:  # The tests' thread may be running a loop already.
        other.submit(asyncio.run, _make_bucket(settings)).result()
    return settings


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    # Not in the memory file system that /tmp may be: Swift needs extended attributes.
    with tempfile.TemporaryDirectory(prefix=f"hubd-{name}-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextlib.contextmanager
def _running(
    command: Sequence[str | Path], folder: Path, environ: dict[str, str]
) -> Iterator[None]:
    env = {"HOME": str(folder), "PATH": f"{PROGRAMS}:{os.defpath}", **environ}
    with (folder / "output").open("ab") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # Nothing it holds is worth a farewell.
        server.wait()


def _await_port(port: int, folder: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail(f"A server did not start:\n{(folder / 'output').read_text()[-3000:]}")


# Where hubs of tests have their blobs. Swift takes long to start; tests/blobs always has both.
SERVERS = (pytest.param("swift", marks=pytest.mark.soak), "juicefs")
BACKINGS = ("local", *SERVERS)


@contextlib.contextmanager
def backing(name: str) -> Iterator[dict[str, Any]]:
    """Settings of a hub whose blobs lie there: one of ``BACKINGS``."""
    if name == "local":
        yield {}
        return
    with {"swift": swift, "juicefs": juicefs}[name]() as server:
        yield {"blob_store": "s3", **reached(apart(server))}


def reached(server: S3Settings) -> dict[str, Any]:
    """A hub's settings to reach it."""
    names = ("bucket", "prefix", "endpoint", "region", "access_key", "secret_key")
    return {f"s3_{name}": getattr(server, name) for name in names}


def apart(server: S3Settings) -> S3Settings:
    """The settings with a prefix below which nothing lies."""
    return replace(server, prefix=f"a prefix/of+{secrets.token_hex(8)}")


async def _make_bucket(settings: S3Settings) -> None:
    client = S3Client(settings)
    await client.open()
    try:
        await client.call("create_bucket")
    finally:
        await client.close()
