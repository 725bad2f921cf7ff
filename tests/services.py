"""Services that tests need beside the hub, started for one session and gone after it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

POSTGRES_MISSING = "PostgreSQL's server is not here: apt-get install postgresql"


def postgres_programs() -> Path | None:
    """The folder with initdb and postgres: Debian's newest, else what PATH has."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    program = shutil.which("postgres")
    return Path(program).resolve().parent if program else None


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; the user to run it as, None: as oneself."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@contextlib.contextmanager
def postgres_url() -> Iterator[str]:
    """Run a PostgreSQL of our own on a Unix socket; yields the address of its first database.

    Whoever opens more databases replaces ``/postgres?`` in it. Without the server's programs the
    test is skipped, in CI (environment variable CI) it fails.
    """
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail(POSTGRES_MISSING)
        pytest.skip(POSTGRES_MISSING)
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="hubd-pg-", dir="/tmp") as name:
        folder = Path(name)  # short, since the path of a socket has room for 107 bytes
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "hubd", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"],
            user=user, extra_groups=[] if user else None, cwd="/", check=True,
            stdout=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=",
                 "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=100"],
                user=user, extra_groups=[] if user else None, cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )  # fmt: skip
        try:
            _await_ready(programs, folder, server)
            yield f"postgresql+asyncpg://hubd@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # "fast": does not wait for clients
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_ready(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        asked = subprocess.run(
            [programs / "pg_isready", "-q", "-h", folder, "-U", "hubd", "-d", "postgres"],
            check=False,
        )
        if asked.returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail(f"PostgreSQL did not start:\n{(folder / 'log').read_text()[-2000:]}")
