from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hubapi, servers
from tests.hubproc import ROOT

ROWS = (
    "fetch http",
    "fetch http, first",
    "fetch http, repeated",
    "fetch ssh",
    "fetch ssh, repeated",
    "ls-remote http",
    "ls-remote http, 200 refs",
    "ls-remote ssh",
    "push http",
    "push ssh",
    "push http, 200 refs",
    "push ssh, 200 refs",
    "push http, 500 files",
    "push ssh, 500 files",
    "2 clones at once, 500 files",
    "clone http, pack",
    "clone http, history",
    "lfs upload http, 1 file",
    "lfs upload http, 5 files",
    "lfs upload ssh, 1 file",
    "lfs upload ssh, 5 files",
    "lfs download http, 1 file",
    "lfs download http, 5 files",
    "lfs download, bytes alone",
)


@pytest.mark.skipif(bool(servers.missing()), reason=f"apt-get install {servers.missing()}")
def test_every_row_is_measured_and_nothing_stays_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=480,
    )
    assert done.returncode == 0, done.stderr
    printed = {line.split("  ")[0].strip() for line in done.stdout.splitlines()}
    assert set(ROWS) <= printed, done.stdout
    assert "HEAD resolve a second of one core (" in done.stdout
    assert "GET resolve a second of one core (" in done.stdout
    if hubapi.CLIENT.exists():
        assert "snapshot of 20 small files" in printed
        assert "create_commit of 5 files: " in done.stdout
        assert "list_repo_tree of 500 files: " in done.stdout
    assert "daemon memory, most ever held:" in done.stdout
    assert "8 large transfers at once: daemon memory" in done.stdout
    assert "lfs upload http, 1 file: server processor" in done.stdout
    assert list(tmp_path.iterdir()) == []
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == ""
