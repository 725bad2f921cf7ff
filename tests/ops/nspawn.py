"""A small machine that boots real systemd in systemd-nspawn, with hubd installed in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hubproc import ROOT

_ETC = [
    "alternatives",
    "dbus-1",
    "group",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "login.defs",
    "nsswitch.conf",
    "os-release",
    "pam.d",
    "passwd",
    "security",
    "shells",
    "ssl",
]
_BOOT_SECONDS = 60.0
PYTHON = next((p for p in ("/usr/bin/python3.11", "/usr/bin/python3") if Path(p).exists()), "")


def reason_to_skip() -> str:
    """Why no machine can be booted here; empty if one can."""
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    for program, package in (
        ("systemd-nspawn", "systemd-container"),
        ("nsenter", "util-linux"),
        ("make", "make"),
        ("ssh", "openssh-client"),
    ):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install {package}"
    if not Path("/usr/lib/systemd/systemd").exists():
        return "systemd is missing: apt-get install systemd"
    if not PYTHON or subprocess.run([PYTHON, "-c", "import ensurepip"], check=False).returncode:
        return "a Python with venv below /usr is missing: apt-get install python3-venv"
    return ""


def install(root: Path) -> None:
    """``make install`` into a folder."""
    makefile = "Makefile" if (ROOT / "Makefile").exists() else "systemd/install.mk"
    done = subprocess.run(
        ["make", "-f", makefile, "install", f"DESTDIR={root}", f"INSTALL_PYTHON={PYTHON}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


class Machine:
    """Boots ``root``; the machine's own /usr is the host's, read-only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root.with_name("console.log")
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def lay(self) -> None:
        """What systemd needs to boot."""
        for name in ("usr", "proc", "sys", "dev", "run", "tmp", "var/lib", "root", "home"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        etc = self.root / "etc"
        for name in _ETC:
            source = Path("/etc") / name
            if source.is_dir():
                shutil.copytree(source, etc / name, ignore_dangling_symlinks=True)
            elif source.exists():
                shutil.copy(source, etc / name)
        (etc / "machine-id").touch()
        (etc / "systemd/system/default.target").symlink_to(
            "/usr/lib/systemd/system/multi-user.target"
        )

    def boot(self) -> None:
        """Start it and wait until systemd has started everything."""
        name = f"hubd-test-{os.getpid()}"
        argv = ["systemd-nspawn", "-b", "-D", str(self.root), "--bind-ro=/usr", "--register=no"]
        with self.log.open("wb") as log:
            self._nspawn = subprocess.Popen(
                [*argv, "--keep-unit", "--private-network", f"--machine={name}"],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline and self._nspawn.poll() is None:
            self._init = self._child()
            if self._init and self.run("systemctl", "is-system-running", check=False) in {
                "running",
                "degraded",
            }:
                return
            time.sleep(0.1)
        self.off()
        pytest.skip(f"systemd does not boot here: {self.log.read_text(errors='replace')[-500:]}")

    def _child(self) -> int:
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        numbers = children.read_text().split()
        return int(numbers[0]) if numbers else 0

    def argv(self, *args: str) -> list[str]:
        """The command line that runs a command inside."""
        path = "/opt/hubd/bin:/usr/bin:/usr/sbin:/bin"
        identity = ["GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org"]
        identity += ["GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org"]
        env = ["env", "-i", f"PATH={path}", "HOME=/root", "GIT_TERMINAL_PROMPT=0", *identity]
        return ["nsenter", "-t", str(self._init), "-a", *env, *args]

    def run(self, *args: str, check: bool = True, timeout: float = 120) -> str:
        """What a command inside prints, without the last line end."""
        done = subprocess.run(
            self.argv(*args),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check:
            assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def start(self, *args: str) -> subprocess.Popen[str]:
        """A command inside that goes on."""
        return subprocess.Popen(
            self.argv(*args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def journal(self) -> str:
        """What the daemon logged."""
        return self.run("journalctl", "-u", "hubd", "--no-pager", "-o", "cat", check=False)

    def off(self) -> None:
        """Power off; cut it if that does not work."""
        if self._nspawn is None:
            return
        if self._nspawn.poll() is None and self._init:
            self.run("systemctl", "poweroff", check=False)
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            if self._init:
                os.kill(self._init, signal.SIGKILL)
            self._nspawn.kill()
            self._nspawn.wait()
