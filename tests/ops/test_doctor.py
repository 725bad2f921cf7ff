"""``hubd doctor``: each finding names the fault and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hubproc import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub that ran and stands still, on ports that nobody uses."""
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.bind(("127.0.0.1", 0))
        ports = [sock.getsockname()[1] for sock in (one, two)]
    http, ssh = (f"127.0.0.1:{port}" for port in ports)
    made = Hub(tmp_path / "data", http_listen=http, ssh_listen=ssh, shutdown_grace=1)
    made.start()
    made.stop()
    yield made
    made.stop()


def findings(hub: Hub, **environ: str) -> list[str]:
    """The faults with their remedies; the exit code must tell whether there are any."""
    hub._extra_env.update(environ)
    done = hub.run_cli("doctor")
    lines = done.stdout.splitlines()
    faults = [
        f"{line[5:]} | {after.strip()}"
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("FAIL")
    ]
    assert done.returncode == (1 if faults else 0), done
    assert bool(faults) == ("checks failed" in done.stderr)
    assert all(" | -> " in fault for fault in faults)
    return faults


def test_a_sound_hub_has_no_finding_running_or_not(hub: Hub) -> None:
    assert findings(hub) == []
    with hub:
        assert findings(hub) == []


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n")
    (folder / name).chmod(0o755)


def test_programs_that_are_old_or_missing(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    _program(folder, "git", "git version 2.20.1")
    (fault_git, fault_lfs) = findings(hub, PATH=str(folder))
    assert fault_git == "git 2.20 (at least 2.39) | -> Install it: apt-get install git"
    assert fault_lfs == "git-lfs is not installed | -> Install it: apt-get install git-lfs"
    _program(folder, "git-lfs", "git-lfs/2.13.2 (GitHub; linux amd64)")
    assert "git-lfs 2.13 (at least 3.0)" in findings(hub, PATH=str(folder))[1]


def test_directories_open_to_others(hub: Hub) -> None:
    hub.data.chmod(0o755)
    assert findings(hub) == [f"data directory is closed to others | -> chmod o= {hub.data}"]
    hub.data.chmod(0o750)
    key = next((hub.data / "ssh").glob("ssh_host_*_key"))
    key.chmod(0o644)
    assert findings(hub)[0].startswith("SSH host keys are private | -> chmod 600")


def test_a_directory_that_may_not_be_entered(hub: Hub) -> None:
    drop = "-dac_override,-dac_read_search"  # what lets root go everywhere
    as_anybody = ["setpriv", f"--bounding-set={drop}"] if os.geteuid() == 0 else []
    hub.data.chmod(0)
    try:
        done = subprocess.run(
            [*as_anybody, *hub_argv(), "doctor"],
            env={**hub.env, "HUBD_DATA_DIR": str(hub.data)},
            capture_output=True,
            text=True,
        )
    finally:
        hub.data.chmod(0o750)
    assert done.returncode == 1, done
    fix = f"chown it to the user that runs hubd: {hub.data}"
    assert f"FAIL data directory {hub.data} is writable\n       -> {fix}" in done.stdout, done
    assert "Traceback" not in done.stderr


def test_a_database_of_another_time(hub: Hub) -> None:
    conn = sqlite3.connect(hub.data / "hubd.db")
    conn.execute("UPDATE alembic_version SET version_num = '0001'")
    conn.commit()
    (fault,) = findings(hub)
    assert fault.startswith("database revision 0001 (program: ")
    assert "Start the daemon" in fault
    conn.execute("UPDATE alembic_version SET version_num = '9999'")
    conn.commit()
    (fault,) = findings(hub)
    assert "install that version or a later one" in fault
    conn.close()


def test_a_database_that_does_not_answer(hub: Hub) -> None:
    (fault,) = findings(hub, HUBD_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert fault.startswith("database: ")


def test_ports_in_use(hub: Hub) -> None:
    host, _, port = str(hub.settings["ssh_listen"]).partition(":")
    with socket.create_server((host, int(port))):
        (fault,) = findings(hub)
    assert fault.startswith(f"ssh_listen {host}:{port} is free | -> Stop what uses it")


def test_before_the_first_start(hub: Hub) -> None:
    shutil.rmtree(hub.data)
    assert findings(hub) == []


def test_a_clock_that_was_never_set(hub: Hub) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not installed")
    done = subprocess.run(
        [faketime, "2001-01-01 00:00:00", *hub_argv(), "doctor"],
        env={**hub.env, "HUBD_DATA_DIR": str(hub.data)},
        capture_output=True,
        text=True,
    )
    assert "FAIL clock is plausible" in done.stdout
    assert "Set the clock" in done.stdout


def hub_argv() -> list[str]:
    """How the console script is started."""
    from tests import hubproc

    return list(hubproc._HUBD)
