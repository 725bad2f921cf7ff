"""A real hub for tests: ``hubd serve`` as a child process in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
# As installed: structlog takes the "rich" of the developers' tools where it is (7 MB).
_HUBD = (
    sys.executable,
    "-c",
    "import sys; sys.modules['rich'] = None; from hubd.cli import main; main()",
)


class Ready(msgspec.Struct, frozen=True):
    """What ``run/ready.json`` says."""

    http: str
    ssh: str
    pid: int


class Hub:
    """``with Hub(folder) as hub:`` serves on free ports of 127.0.0.1 until the block ends.

    ``http`` and ``ssh`` are the addresses, as in ``run/ready.json``. Settings are given by name:
    ``Hub(folder, api_rate="5/minute")``.
    """

    def __init__(
        self, data: Path, *, env: Mapping[str, str] | None = None, **settings: object
    ) -> None:
        self.data = data
        self.http = ""
        self.ssh = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.settings = {"log_level": "debug", **settings}
        self._extra_env = dict(env or {})

    @property
    def env(self) -> dict[str, str]:
        """The environment of the daemon and of its CLI: nothing of the developer's own settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HUBD_", "GIT_", "SSH_"))}
        settings = {f"HUBD_{name.upper()}": _text(value) for name, value in self.settings.items()}
        return {**kept, "PYTHONPATH": str(ROOT), **settings, **self._extra_env}

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The daemon."""
        assert self._process is not None, "the hub is not started"
        return self._process

    @property
    def log_file(self) -> Path:
        """Where the daemon's output goes, all starts one after the other."""
        return self.data.with_name(self.data.name + ".log")

    def log(self) -> str:
        """What the daemon wrote so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def start(self) -> Self:
        """Start and wait until it accepts connections."""
        ready_file = self.data / "run" / "ready.json"
        ready_file.unlink(missing_ok=True)
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._log = self.log_file.open("ab")
        argv = [*_HUBD, "serve", "--data-dir", str(self.data)]
        argv += ["--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            argv,
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        deadline = time.monotonic() + START_SECONDS
        while not ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"hubd did not start:\n{self.log()[-4000:]}")
            time.sleep(0.02)
        ready = msgspec.json.decode(ready_file.read_bytes(), type=Ready)
        self.http, self.ssh = ready.http, ready.ssh
        return self

    def stop(self, timeout: float = 30.0) -> int:
        """Stop as an operator does; the exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"hubd did not stop:\n{self.log()[-4000:]}") from None
        self._forget()
        return code

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def restart(self) -> Self:
        """Stop and start; the ports change."""
        self.stop()
        return self.start()

    def run_cli(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``hubd ARGS`` on this data directory, daemon running or not."""
        return subprocess.run(
            [*_HUBD, *args],
            env={**self.env, "HUBD_DATA_DIR": str(self.data)},
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def admin(self, *args: str, stdin: str | None = None) -> str:
        """``hubd admin ARGS``; what it printed, without the last line end. Fails if it fails."""
        done = self.run_cli("admin", *args, stdin=stdin)
        assert done.returncode == 0, f"hubd admin {' '.join(args)}: {done.stderr}{done.stdout}"
        return done.stdout.rstrip("\n")

    def user(self, name: str, *options: str, password: str | None = None) -> str:
        """Add a user; its name."""
        if password is None:
            self.admin("user", "add", name, *options)
        else:
            self.admin("user", "add", name, *options, "--password-stdin", stdin=password + "\n")
        return name

    def token(self, user: str, scope: str = "write", *options: str) -> str:
        """A new token of a user."""
        return self.admin("token", "add", user, "--scope", scope, *options)

    def git_url(self, path: str, token: str = "", user: str = "git") -> str:
        """The HTTP address of a repository, with a credential in it."""
        if not token:
            return f"{self.http}/{path}"
        return self.http.replace("://", f"://{user}:{token}@", 1) + f"/{path}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def git(
    *args: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    seconds: float = 300,
) -> subprocess.CompletedProcess[bytes]:
    """The unmodified git client, without the developer's own settings."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "SSH_"))}
    clean |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    done = subprocess.run(
        ["git", *map(str, args)],
        cwd=cwd,
        env={**clean, **(env or {})},
        input=stdin,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    if check:
        message = f"git {args}: {done.stderr.decode(errors='replace')}"
        assert done.returncode == 0, message
    return done
