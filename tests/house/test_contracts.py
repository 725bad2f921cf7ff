"""The import contracts hold what they promise: a planted breach of each is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT

PACKAGES = [
    "cli",
    "web",
    "ssh",
    "http",
    "core",
    "hooks",
    "lfs",
    "jobs",
    "git",
    "store",
    "blobs",
    "obs",
]
MODULES = [
    "app",
    "control",
    "access",
    "tls",
    "config",
    "procs",
    "pktline",
    "reserved",
    "systemd",
    "types",
    "names",
    "sshkeys",
    "errors",
]


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A hubd of empty rooms under our contracts."""
    hubd = tmp_path / "hubd"
    for package in PACKAGES:
        (hubd / package).mkdir(parents=True)
        (hubd / package / "__init__.py").touch()
    for module in ["__init__", *MODULES]:
        (hubd / f"{module}.py").touch()
    (tmp_path / ".importlinter").write_bytes((ROOT / ".importlinter").read_bytes())
    return tmp_path


def _lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def _plant(folder: Path, imports: dict[str, str]) -> None:
    for place, line in imports.items():
        (folder / "hubd" / f"{place}.py").write_text(f"{line}\n")


def test_a_hubd_that_keeps_the_rules_passes(skeleton: Path) -> None:
    _plant(
        skeleton,
        {
            "app": "import asyncssh\nfrom hubd import core, ssh, store, web",
            "web/page": "from hubd import http, core, pktline, procs",
            "ssh/server": "import asyncssh\nfrom hubd import core, lfs, tls, obs",
            "core/push": "from hubd import hooks, store, git, access, procs",
            "store/engine": "import sqlalchemy.ext.asyncio, sqlite3",
            "access": "import sqlalchemy\nfrom hubd import store",
            "git/process": "from hubd import procs, pktline",
            "tls": "from hubd import config",
            "blobs/s3": "import aiobotocore, botocore",
            "types": "from hubd import errors",
        },
    )
    code, shown = _lint(skeleton)
    assert code == 0, shown


def test_every_breach_is_named(skeleton: Path) -> None:
    _plant(
        skeleton,
        {
            "core/a": "from hubd import ssh",
            "ssh/b": "from hubd import http",
            "git/c": "from hubd import store",
            "errors": "from hubd import types",
            "procs": "from hubd import obs",
            "http/d": "from hubd import store",
            "web/e": "from hubd.git import anything",
            "control": "from hubd import access",
            "ssh/f": "from hubd import blobs",
            "core/g": "from sqlalchemy.ext.asyncio import AsyncConnection",
            "core/h": "import asyncssh",
            "config": "import click",
            "core/i": "import botocore",
        },
    )
    code, shown = _lint(skeleton)
    assert code == 1
    flat = " ".join(shown.split())
    for breach in (
        "hubd.core.a -> hubd.ssh",
        "hubd.ssh.b -> hubd.http",
        "hubd.git.c -> hubd.store",
        "hubd.errors -> hubd.types",
        "hubd.procs -> hubd.obs",
        "hubd.http.d -> hubd.store",
        "hubd.web.e -> hubd.git",
        "hubd.control -> hubd.access",
        "hubd.ssh.f -> hubd.blobs",
        "hubd.core.g -> sqlalchemy",
        "hubd.core.h -> asyncssh",
        "hubd.config -> click",
        "hubd.core.i -> botocore",
    ):
        assert breach in flat, shown


def test_a_room_that_no_layer_names_is_a_breach(skeleton: Path) -> None:
    (skeleton / "hubd" / "attic.py").touch()
    code, shown = _lint(skeleton)
    assert code == 1
    assert "attic" in shown
