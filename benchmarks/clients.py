"""The work that is timed: real git and ssh clients, and raw fetches whose bytes go nowhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hubd.pktline import DELIM, FLUSH, encode

_PIECE = 1024 * 1024
_TIMEOUT = 600


def environment(ssh_command: str = "") -> dict[str, str]:
    """The environment of a git client without the developer's own settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "SSH_", "HUBD_"))}
    extra = {"GIT_SSH_COMMAND": ssh_command} if ssh_command else {}
    return {
        **kept,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        **extra,
    }


def git(*args: str | Path, env: Mapping[str, str], cwd: Path | None = None) -> bytes:
    """One git command; raises with its error text."""
    done = subprocess.run(
        ["git", *map(str, args)],
        env=env,
        cwd=cwd,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"git {args}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def fetch_request(repository: Path) -> bytes:
    """A clone's ``fetch`` of protocol v2, as the git client sends it, for all refs."""
    oids = git("for-each-ref", "--format=%(objectname)", cwd=repository, env=environment()).split()
    wants = [b"want " + oid + b"\n" for oid in dict.fromkeys(oids)]
    args = [b"thin-pack", b"no-progress", b"ofs-delta", *wants, b"done\n"]
    head = encode(b"command=fetch") + encode(b"agent=git/2.39.5") + encode(b"object-format=sha1")
    return head + DELIM + b"".join(encode(arg) for arg in args) + FLUSH


def fetch_to_nowhere(url: str, body: bytes, least: int) -> None:
    """Post a fetch and have the kernel throw the answer away; checks status and size."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path}/git-upload-pack HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Content-Type: application/x-git-upload-pack-request\r\nGit-Protocol: version=2\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    count = 0
    with socket.create_connection((parts.hostname, parts.port), timeout=_TIMEOUT) as client:
        client.sendall(head.encode() + body)
        first = client.recv(4096)
        if not first.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"fetch: {first[:200]!r}")
        count += len(first)
        nowhere = bytearray(_PIECE)
        # MSG_TRUNC on TCP: the bytes are dropped in the kernel, nothing is copied.
        while got := client.recv_into(nowhere, _PIECE, socket.MSG_TRUNC):
            count += got
    if count < least:
        raise RuntimeError(f"fetch: {count} bytes instead of {least}")


@dataclass(frozen=True)
class Ssh:
    """How to reach an SSH server; nothing of the user's own configuration is used."""

    user: str
    port: int
    key: Path

    @property
    def command(self) -> list[str]:
        """The ssh program with its options."""
        known = self.key.with_name(f"known_hosts_{self.port}")
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(known),
            "LogLevel": "ERROR",
            "SendEnv": "GIT_PROTOCOL",
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.key), *flags]

    @property
    def env(self) -> dict[str, str]:
        """For git: this ssh."""
        return environment(" ".join(self.command))

    def url(self, path: str) -> str:
        """The address of a repository."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}/{path.lstrip('/')}"

    def fetch_to_nowhere(self, path: str, body: bytes) -> None:
        """``git-upload-pack`` fed with a prepared request, its answer to /dev/null."""
        argv = [*self.command, "-p", str(self.port), f"{self.user}@127.0.0.1"]
        done = subprocess.run(
            [*argv, f"git-upload-pack '{path}'"],
            input=body,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**environment(), "GIT_PROTOCOL": "version=2"},
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"ssh fetch: {done.stderr.decode(errors='replace')}")


def clones(urls: Iterable[str], folder: Path, env: Mapping[str, str]) -> None:
    """Bare clones, all at once."""
    running = [
        subprocess.Popen(
            ["git", "clone", "--quiet", "--bare", url, str(folder / str(number))],
            env=env,
            stderr=subprocess.PIPE,
        )
        for number, url in enumerate(urls)
    ]
    faults = []
    for process in running:
        error = process.communicate(timeout=_TIMEOUT)[1]
        if process.returncode:
            faults.append(error.decode(errors="replace"))
    if faults:
        raise RuntimeError(f"clone: {faults}")


def fresh(folder: Path) -> None:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


class Pusher:
    """A working copy that makes one commit after the other and pushes each."""

    def __init__(self, source: Path, place: Path, url: str, env: Mapping[str, str]) -> None:
        self._place, self._url, self._env = place, url, env
        self._count = 0
        # The objects are borrowed: what is timed is the push, not this.
        git("clone", "--quiet", "--shared", "--branch=main", source, place, env=env)

    def commit(self) -> None:
        """Make a commit of one small file."""
        self._count += 1
        file = self._place / "pushed" / f"file{self._count % 20:02d}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{self._url} {self._count}\n")
        git("add", "pushed", cwd=self._place, env=self._env)
        git("commit", "--quiet", "-m", f"Push {self._count}", cwd=self._place, env=self._env)

    def push(self) -> None:
        """Push it to the default branch."""
        git("push", "--quiet", self._url, "HEAD:refs/heads/main", cwd=self._place, env=self._env)
