"""What attacks are made of: a client with a key, hand-made objects, and pushes written by hand."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.hubproc import Hub, git

ZERO = "0" * 40
FLUSH = b"0000"
CAPS = b"report-status side-band-64k delete-refs push-options atomic ofs-delta agent=raw"


def pkt(data: bytes) -> bytes:
    """One packet line."""
    return b"%04x%s" % (len(data) + 4, data)


def pkts(data: bytes) -> Iterator[bytes | None]:
    """The packets of a message; None for a flush."""
    at = 0
    while at + 4 <= len(data):
        length = int(data[at : at + 4], 16)
        if length < 4:
            yield None
            at += 4
            continue
        yield data[at + 4 : at + length]
        at += length


def until(what: Callable[[], object], seconds: float = 20.0, why: str = "") -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, why or "it did not happen in time"
        time.sleep(0.05)


@dataclass(frozen=True)
class SshKey:
    """A key pair in a folder; ``private`` is the file that ``ssh -i`` takes."""

    private: Path

    @classmethod
    def make(cls, file: Path, kind: str = "ed25519", bits: int = 0) -> SshKey:
        """A fresh pair."""
        size = ["-b", str(bits)] if bits else []
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", file.name, "-f", str(file)],
            check=True,
        )
        return cls(file)

    @property
    def public(self) -> Path:
        """The file to hand out."""
        return self.private.with_name(self.private.name + ".pub")

    def options(self, *more: str) -> list[str]:
        """ssh's options: this key, no settings of the developer, nobody asked."""
        return [
            *("-F", "/dev/null", "-i", str(self.private), "-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", *more),
        ]

    @property
    def env(self) -> dict[str, str]:
        """How git uses it."""
        return {"GIT_SSH_COMMAND": " ".join(["ssh", *self.options()])}


def ssh(
    hub: Hub, key: SshKey, *command: str, options: Sequence[str] = (), stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """The unmodified OpenSSH client."""
    where = urlsplit(hub.ssh)
    return subprocess.run(
        [
            *("ssh", *key.options(*options), "-p", str(where.port)),
            *(f"{where.username}@{where.hostname}", *command),
        ],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )


@dataclass
class Objects:
    """A bare repository of the attacker's, where objects are written without any check."""

    path: Path
    object_format: str = "sha1"

    def __post_init__(self) -> None:
        git("init", "-q", "--bare", f"--object-format={self.object_format}", self.path)

    def run(self, *args: str, stdin: bytes = b"") -> bytes:
        """A plumbing command."""
        return git("--git-dir", self.path, *args, stdin=stdin).stdout

    def put(self, kind: str, data: bytes) -> str:
        """Any object, however broken."""
        out = self.run("hash-object", "-w", "-t", kind, "--literally", "--stdin", stdin=data)
        return out.decode().strip()

    def blob(self, data: bytes = b"hello\n") -> str:
        """A file."""
        return self.put("blob", data)

    def tree(self, entries: Sequence[tuple[str, bytes, str]]) -> str:
        """A folder of (mode, name, oid), in the order given."""
        return self.put(
            "tree",
            b"".join(b"%s %s\0" % (m.encode(), n) + bytes.fromhex(o) for m, n, o in entries),
        )

    def sorted_tree(self, entries: Sequence[tuple[str, bytes, str]]) -> str:
        """A folder in git's own order."""
        order = sorted(entries, key=lambda e: e[1] + (b"/" if e[0] in {"40000", "040000"} else b""))
        return self.tree(order)

    def commit(
        self, tree: str, *parents: str, message: bytes = b"m\n", when: int = 1_700_000_000
    ) -> str:
        """A commit like any other."""
        who = b"Ada <ada@example.org> %d +0000" % when
        lines = [b"tree " + tree.encode(), *(b"parent " + p.encode() for p in parents)]
        lines += [b"author " + who, b"committer " + who, b"", message]
        return self.put("commit", b"\n".join(lines))

    def simple(self, text: bytes = b"hello\n", *parents: str, name: bytes = b"README.md") -> str:
        """A commit with one file."""
        return self.commit(self.tree([("100644", name, self.blob(text))]), *parents)

    def pack(self, *oids: str) -> bytes:
        """A pack of exactly these objects."""
        return self.run("pack-objects", "--stdout", "-q", stdin="\n".join(oids).encode() + b"\n")

    def pack_reachable(self, *tips: str, without: Sequence[str] = ()) -> bytes:
        """A pack of all that these tips reach."""
        spec = "\n".join([*tips, *(f"^{oid}" for oid in without)]) + "\n"
        return self.run("pack-objects", "--stdout", "-q", "--revs", stdin=spec.encode())


@dataclass
class Answer:
    """What the server said to a push written by hand."""

    status: int
    raw: bytes
    report: list[str] = field(default_factory=list)
    remote: bytes = b""
    error: bytes = b""

    @property
    def unpacked(self) -> bool:
        """Whether the pack was taken."""
        return "unpack ok" in self.report

    def accepted(self, ref: str) -> bool:
        """Whether this ref moved."""
        return f"ok {ref}" in self.report

    @property
    def text(self) -> str:
        """All of it for messages and searches."""
        return "\n".join(
            [
                *self.report,
                self.remote.decode("utf-8", "backslashreplace"),
                self.error.decode("utf-8", "backslashreplace"),
                self.raw.decode("utf-8", "replace") if not self.report else "",
            ]
        )


def push_request(
    commands: Sequence[tuple[str, str, bytes | str]],
    pack: bytes,
    *,
    options: Sequence[bytes] = (),
    caps: bytes = CAPS,
) -> bytes:
    """The body of a push: (old, new, ref) commands, push options, a pack."""
    body = b""
    for number, (old, new, ref) in enumerate(commands):
        name = ref if isinstance(ref, bytes) else ref.encode("utf-8", "surrogateescape")
        line = f"{old} {new} ".encode() + name
        body += pkt(line + (b"\0" + caps if number == 0 else b""))
    body += FLUSH
    if b"push-options" in caps:
        body += b"".join(pkt(option) for option in options) + FLUSH
    return body + pack


def parse_answer(status: int, raw: bytes) -> Answer:
    """Take a side-band answer apart."""
    answer = Answer(status, raw)
    report = b""
    try:
        for packet in pkts(raw):
            if packet is None or not packet:
                continue
            if packet[0] == 1:
                report += packet[1:]
            elif packet[0] == 2:
                answer.remote += packet[1:]
            elif packet[0] == 3:
                answer.error += packet[1:]
        answer.report = [
            p.decode("utf-8", "surrogateescape").rstrip("\n") for p in pkts(report) if p
        ]
    except ValueError:
        pass
    return answer


def http(
    hub: Hub,
    method: str,
    path: str,
    *,
    token: str = "",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One plain HTTP request: status, headers, body."""
    request = urllib.request.Request(hub.http + path, data=body, method=method)
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    if token:
        request.add_header("Authorization", basic(token))
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def basic(token: str) -> str:
    """The header of git's own client."""
    return "Basic " + base64.b64encode(f"git:{token}".encode()).decode()


EMPTY_PACK = bytes.fromhex("5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e")


def push_http(hub: Hub, repo: str, token: str, body: bytes) -> Answer:
    """Send a hand-made push over HTTP."""
    status, _, raw = http(
        hub,
        "POST",
        f"/{repo}/git-receive-pack",
        token=token,
        body=body,
        headers={"Content-Type": "application/x-git-receive-pack-request"},
    )
    return parse_answer(status, raw)


def push_ssh(hub: Hub, repo: str, key: SshKey, body: bytes) -> Answer:
    """Send a hand-made push over SSH; the advertisement is cut off the answer."""
    done = ssh(hub, key, f"git-receive-pack '/{repo}'", stdin=body)
    at = 0
    while at + 4 <= len(done.stdout):
        length = int(done.stdout[at : at + 4], 16)
        at += max(length, 4)
        if length == 0:
            break
    answer = parse_answer(done.returncode, done.stdout[at:])
    answer.error += done.stderr
    return answer


def connect(hub: Hub, door: str = "http", timeout: float = 30.0, source: str = "") -> socket.socket:
    """A bare connection to one of the ports."""
    where = urlsplit(hub.http if door == "http" else hub.ssh)
    assert where.hostname
    assert where.port
    return socket.create_connection(
        (where.hostname, where.port), timeout, source_address=(source, 0) if source else None
    )


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


class Work:
    """A clone in which a person works, with git's own client."""

    def __init__(
        self, path: Path, env: Mapping[str, str] | None = None, branch: str = "main"
    ) -> None:
        self.path = path
        self.env = dict(env or {})
        git("init", "-q", "-b", branch, path)

    def git(
        self, *args: str | Path, check: bool = True, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git here."""
        return git(*args, cwd=self.path, env=self.env, check=check, stdin=stdin)

    def commit(self, files: Mapping[str, bytes | str] | None = None, message: str = "work") -> str:
        """Write files and commit them; the new commit."""
        for name, content in (files or {"README.md": f"{time.time_ns()}\n"}).items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD").stdout.decode().strip()

    def push(
        self, url: str, *refs: str, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Push, whatever comes of it."""
        return self.git(
            "push", "-q", *options, url, *(refs or ("HEAD:refs/heads/main",)), check=False
        )


def refs_of(hub: Hub, url: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What ls-remote shows."""
    out = git("ls-remote", url, env=env).stdout.decode("utf-8", "surrogateescape")
    return {line.split("\t", 1)[1]: line.split("\t", 1)[0] for line in out.split("\n") if line}


def repo_dir(hub: Hub, repo_id: int) -> Path:
    """Where a repository lies."""
    from hubd.git.layout import repo_path

    return repo_path(hub.data / "repos", repo_id)


def descendants(pid: int) -> list[int]:
    """All living children of a process, and theirs."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = int(stat[1])
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


def git_children(pid: int) -> list[int]:
    """The git processes below a daemon, but for its idle object readers."""
    found = []
    for child in descendants(pid):
        try:
            argv = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(
            a in {b"upload-pack", b"receive-pack", b"index-pack", b"pack-objects"} for a in argv
        ):
            found.append(child)
    return found


def memory_kib(pid: int, what: str = "VmRSS") -> int:
    """Memory of a process by /proc."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    return 0
