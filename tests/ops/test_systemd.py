"""The service under real systemd: hardening, activation, and restarts that nobody notices (F21)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hubproc import ROOT
from tests.ops.nspawn import Machine, install, reason_to_skip

UNITS = ("hubd.service", "hubd-http.socket", "hubd-ssh.socket")
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing"
)

# Connects without pause until told to stop, and says how often, and what was refused.
_KNOCKER = """
import socket, sys, time
asked, wrong = 0, []
while True:
    try:
        open("/tmp/enough").close()
        break
    except FileNotFoundError:
        pass
    for port, say, hear in (
        (8080, b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n", b" 200 "),
        (2222, b"", b"SSH-2.0-hubd"),
    ):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
                sock.sendall(say)
                got = sock.recv(4096)
            if hear not in got:
                wrong.append(f"{port}: {got[:60]!r}")
        except OSError as error:
            wrong.append(f"{port}: {error}")
        asked += 1
    time.sleep(0.01)
print(asked, wrong)
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("machine") / "root"
    install(root)
    machine = Machine(root)
    machine.lay()
    machine.boot()
    try:
        machine.run("systemctl", "enable", "--now", *UNITS)
        yield machine
    finally:
        machine.off()


@pytest.fixture(scope="module")
def token(machine: Machine) -> str:
    machine.run("hubd", "admin", "user", "add", "ada", "--admin")
    return machine.run("hubd", "admin", "token", "add", "ada", "--scope", "write")


def _unit(tmp_path: Path) -> Path:
    for name in UNITS:
        text = (ROOT / "systemd" / name).read_text()
        # `verify` wants the program to exist.
        text = text.replace("@PREFIX@/bin/hubd", "/bin/true").replace("@PREFIX@", "/opt/hubd")
        (tmp_path / name).write_text(text.replace("@CONFIG@", "/etc/hubd"))
    return tmp_path / "hubd.service"


@needs_analyze
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    unit = _unit(tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", unit, *(tmp_path / name for name in UNITS[1:])],
        capture_output=True,
        text=True,
    )
    about_us = [line for line in done.stderr.splitlines() if "hubd" in line]
    assert (done.returncode, about_us) == (0, [])


@needs_analyze
def test_the_exposure_score_is_at_most_two(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", _unit(tmp_path)],
        capture_output=True,
        text=True,
    )
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert score is not None, done.stderr
    assert float(score[1]) <= 2.0
    assert done.returncode == 0


def test_systemd_waits_longer_than_the_daemon() -> None:
    from hubd.config import Config

    text = (ROOT / "systemd/hubd.service").read_text()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) > Config().shutdown_grace + 15


def test_the_machine_is_whole_and_the_daemon_is_ready(machine: Machine) -> None:
    assert machine.run("systemctl", "is-system-running", check=False) == "running"
    assert machine.run("systemctl", "is-active", *UNITS).split() == ["active"] * 3
    properties = machine.run(
        "systemctl", "show", "hubd", "-p", "Type,StatusText,WatchdogUSec,User,NRestarts"
    )
    assert set(properties.splitlines()) == {
        "Type=notify",
        "WatchdogUSec=1min",
        "StatusText=serving http://127.0.0.1:8080 and ssh://git@127.0.0.1:2222",
        "User=hubd",
        "NRestarts=0",
    }
    assert "start.no_accounts" in machine.journal()


def test_clone_and_push_work_in_the_hardened_unit(machine: Machine, token: str) -> None:
    run = machine.run
    url = f"http://ada:{token}@127.0.0.1:8080/ada/first"
    run("sh", "-ec", "git init -q -b main /root/w; cd /root/w; echo one >a; git add .")
    run("git", "-C", "/root/w", "commit", "-qm", "One")
    run("git", "-C", "/root/w", "push", "-q", url, "main")
    run("git", "clone", "-q", url, "/root/by-http")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key")
    run("hubd", "admin", "key", "add", "ada", "/root/key.pub")
    ssh = "ssh -i /root/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/root/known"
    by_ssh = ["env", f"GIT_SSH_COMMAND={ssh}", "git"]
    run(*by_ssh, "clone", "-q", "ssh://git@127.0.0.1:2222/ada/first", "/root/by-ssh")
    run("git", "-C", "/root/by-ssh", "commit", "-q", "--allow-empty", "-m", "Two")
    run(*by_ssh, "-C", "/root/by-ssh", "push", "-q", "origin", "main")
    run("git", "-C", "/root/by-http", "pull", "-q")
    assert run("git", "-C", "/root/by-http", "log", "--format=%s") == "Two\nOne"
    # Maintenance runs git in the same confinement.
    run("hubd", "admin", "repo", "gc", "ada/first")
    run("hubd", "admin", "repo", "fsck", "ada/first")


def test_the_daemon_sees_and_writes_only_its_own_folder(machine: Machine) -> None:
    pid = machine.run("systemctl", "show", "hubd", "-p", "MainPID", "--value")
    status = machine.run("cat", f"/proc/{pid}/status")
    assert re.search(r"^CapEff:\s0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s2$", status, re.MULTILINE)
    mode = machine.run("stat", "-c", "%a %U", "/var/lib/hubd", "/var/lib/hubd/run/control.sock")
    assert mode.splitlines() == ["750 hubd", "600 hubd"]
    inside = ["nsenter", "-t", pid, "-m", "sh", "-c"]
    assert machine.run(*inside, "touch /etc/x 2>&1; ls -A /home /root 2>&1", check=False) == (
        "touch: cannot touch '/etc/x': Read-only file system\n/home:\n\n/root:"
    )


def test_f21_restarts_refuse_nobody_and_let_pushes_finish(machine: Machine, token: str) -> None:
    (machine.root / "tmp").mkdir(exist_ok=True)
    machine.run("sh", "-c", f"cat >/root/knock.py <<'EOT'\n{_KNOCKER}\nEOT")
    for number in range(5):
        work = f"/root/push{number}"
        machine.run(
            "sh",
            "-ec",
            f"git init -q -b main {work}; cd {work}; for i in 1 2 3 4 5 6; do "
            "head -c 5000000 /dev/urandom >f$i; done; git add .; git commit -qm Big",
        )
    knocking = machine.start("/usr/bin/python3", "/root/knock.py")
    machine.run("systemctl", "restart", "hubd")
    pushes = [
        machine.start(
            *("git", "-C", f"/root/push{number}", "push", "-q"),
            *(f"http://ada:{token}@127.0.0.1:8080/ada/big{number}", "main"),
        )
        for number in range(5)
    ]
    for _ in range(2):
        machine.run("sleep", "0.7")
        machine.run("systemctl", "restart", "hubd")
    for push in pushes:
        out, _ = push.communicate(timeout=120)
        assert push.returncode == 0, out + machine.journal()[-20000:]
    machine.run("touch", "/tmp/enough")
    out, _ = knocking.communicate(timeout=120)
    asked, _, wrong = out.partition(" ")
    assert wrong.strip() == "[]", out
    assert int(asked) > 20
    for number in range(5):
        url = f"http://ada:{token}@127.0.0.1:8080/ada/big{number}"
        there = machine.run("git", "ls-remote", url, "refs/heads/main").split()[0]
        assert there == machine.run("git", "-C", f"/root/push{number}", "rev-parse", "HEAD")
    assert "NRestarts=0" in machine.run("systemctl", "show", "hubd", "-p", "NRestarts")


def test_commands_of_root_leave_no_files_of_roots_behind(machine: Machine, token: str) -> None:
    machine.run("systemctl", "stop", "hubd-http.socket", "hubd-ssh.socket", "hubd")
    try:
        result = machine.run("systemctl", "show", "hubd", "-p", "Result,ExecMainStatus")
        assert set(result.splitlines()) == {"Result=success", "ExecMainStatus=0"}
        machine.run("hubd", "admin", "user", "add", "bob")
        foreign = machine.run("find", "/var/lib/hubd", "!", "-user", "hubd")
        assert foreign == ""
        machine.run("hubd", "doctor")
    finally:
        machine.run("systemctl", "start", *UNITS)
    assert "bob" in machine.run("hubd", "admin", "user", "list")


def test_a_daemon_that_dies_comes_back(machine: Machine, token: str) -> None:
    machine.run("systemctl", "kill", "--signal=SIGKILL", "--kill-who=main", "hubd")
    url = f"http://ada:{token}@127.0.0.1:8080/ada/first"
    assert machine.run("git", "ls-remote", url, "refs/heads/main")
    assert machine.run("systemctl", "show", "hubd", "-p", "NRestarts", "--value") == "1"
