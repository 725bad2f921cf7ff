"""T78: no secret in logs, metrics, files, the database or a command line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.gitkit import descendants, http
from tests.hubkit import World
from tests.hubproc import Hub, git

PASSWORD = "marker-PASSWORD-7Qz"
METRICS = "marker-METRICS-8Xk"


class CommandLines:
    """Every command line and environment below the daemon, sampled while things happen."""

    def __init__(self, pid: int) -> None:
        self.seen = _read(pid, "cmdline")
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        own = _read(self._pid, "cmdline")
        while not self._end.is_set():
            for pid in descendants(self._pid):
                # In this order: a child that is still the daemon, before its exec, is no leak.
                line, environ = _read(pid, "cmdline"), _read(pid, "environ")
                for data in () if line == own else (line, environ):
                    self.seen += data if data not in self.seen else b""
            self._end.wait(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[World]:
    with Hub(tmp_path / "data", metrics_token=METRICS, log_level="debug", shutdown_grace=2) as hub:
        yield World.populate(hub, tmp_path)


def test_T78_marker_secrets_are_nowhere(marked: World, tmp_path: Path) -> None:
    world, hub = marked, marked.hub
    world.op("user.add", name="carl", password=PASSWORD)
    with CommandLines(hub.process.pid) as lines:
        repo, work = world.repo("private"), world.work()
        work.commit()
        assert work.push(repo.http).returncode == 0
        assert work.push(repo.ssh).returncode == 0
        git("clone", "-q", repo.http, tmp_path / "clone")
        token = world.tokens["ada"]
        for path in (
            f"/{repo.path}/info/refs?service=git-upload-pack&token={token}",
            f"/api/hub/v1/user?access_token={token}",
            "/metrics",
        ):
            http(hub, "GET", path)
            http(hub, "GET", path, headers={"Authorization": f"Bearer {token}"})
            http(hub, "GET", path, headers={"Authorization": f"Bearer {METRICS}"})
            http(hub, "GET", path, headers={"Cookie": f"hubd_session={PASSWORD}"})
        http(
            hub,
            "POST",
            "/login",
            body=f"name=carl&password={PASSWORD}".encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        http(hub, "GET", "/metrics", headers={"Authorization": f"Basic {PASSWORD}"})
        _, _, metrics = http(hub, "GET", "/metrics", headers={"Authorization": f"Bearer {METRICS}"})
    assert b"# HELP" in metrics
    secrets = [*world.tokens.values(), PASSWORD, METRICS]
    keys = [key.private.read_text().splitlines()[2] for key in world.keys.values()]
    hub.stop()
    places = {"metrics": metrics, "processes": lines.seen, "log": hub.log_file.read_bytes()}
    places |= {str(f): f.read_bytes() for f in hub.data.rglob("*") if f.is_file()}
    for where, data in places.items():
        for secret in (*secrets, *keys):
            assert secret.encode() not in data, (secret[:8], where)


def test_T78_private_files_are_private(marked: World) -> None:
    data = marked.hub.data
    for name in ("hubd.db", "run/control.sock"):
        assert not (data / name).stat().st_mode & 0o077, name
    for key in (data / "ssh").glob("*_key"):
        assert not key.stat().st_mode & 0o077
    assert not data.stat().st_mode & 0o007
