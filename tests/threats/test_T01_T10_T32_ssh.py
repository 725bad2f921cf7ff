"""T01, T10, T32: who signed, and what may be asked for."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import Boolean, String

from hubd.core import identity
from hubd.core.context import Core
from hubd.errors import SignInNeeded
from hubd.types import Actor, Channel
from tests.gitkit import SshKey, ssh
from tests.hubkit import Repo, World


def greeting(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode()


def connection(world: World, user: str, **options: Any) -> Any:
    """``async with`` it: a connection of asyncssh's client, which can do what OpenSSH's cannot."""
    host, port = world.hub.ssh.rsplit("@", 1)[1].split(":")
    settings = {"username": "git", "known_hosts": None, "config": (), "agent_path": None}
    keys = [world.keys[user].private]
    return asyncssh.connect(host, int(port), **{**settings, "client_keys": keys, **options})


@pytest.fixture
def only_public(world: World, tmp_path: Path) -> Path:
    """Ada's public key, as an attacker has it from her profile page."""
    copy = tmp_path / "ada.pub"
    copy.write_bytes(world.keys["ada"].public.read_bytes())
    return copy


def test_T01_a_key_that_is_only_offered_is_nobody(world: World, only_public: Path) -> None:
    mine = world.keys["bob"]
    done = ssh(world.hub, mine, options=["-i", str(only_public)])
    assert "Hi bob!" in greeting(done), done.stderr
    # The other's key first, unsigned; then one's own.
    where = ["-o", f"IdentityFile={only_public}", "-o", f"IdentityFile={mine.private}"]
    first = SshKey(only_public)
    done = ssh(world.hub, first, options=where)
    assert "Hi bob!" in greeting(done), done.stderr
    assert "Hi ada" not in greeting(done)


def test_T01_the_offered_key_gives_no_right(world: World, only_public: Path, objects) -> None:  # type: ignore[no-untyped-def]
    private = world.repo("private")
    options = [
        "-o",
        f"IdentityFile={only_public}",
        "-o",
        f"IdentityFile={world.keys['bob'].private}",
    ]
    done = ssh(
        world.hub, SshKey(only_public), f"git-upload-pack '/{private.path}'", options=options
    )
    assert b"not found" in done.stderr
    assert done.stdout == b""


async def _pipelined(world: World, private: Repo) -> bytes:
    """Sign as bob, then ask two things at once on the same connection."""
    async with connection(world, "bob") as conn:
        both = await asyncio.gather(
            conn.run(f"git-upload-pack '/{private.path}'", check=False, encoding=None, input=b""),
            conn.run(f"git-upload-pack '/{private.path}'", check=False, encoding=None, input=b""),
        )
    return b"".join(bytes(done.stderr or b"") for done in both)


def test_T01_two_requests_at_once_are_both_bobs(world: World) -> None:
    private = world.repo("private")
    said = asyncio.run(_pipelined(world, private))
    assert said.count(b"not found") == 2


@pytest.mark.parametrize("first", ["offer", "signature"])
def test_T01_an_offer_and_a_signature_in_one_packet(
    world: World, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = asyncssh.read_public_key(world.keys["ada"].public)
    send = asyncssh.SSHClientConnection.send_userauth_request
    together = 0

    async def both(conn: Any, method: bytes, *args: bytes, **options: Any) -> None:
        """Whatever carries a signature of bob's goes out with an offer of ada's key."""
        nonlocal together
        if options.get("key") is None:
            await send(conn, method, *args, **options)
            return
        offer = (Boolean(False), String(ada.algorithm), String(ada.public_data))
        requests = [(offer, {"trivial": False}), (args, options)]
        sock = conn.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for words, how in requests if first == "offer" else reversed(requests):
            await send(conn, method, *words, **how)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        together += 1

    monkeypatch.setattr(asyncssh.SSHClientConnection, "send_userauth_request", both)

    async def greeting_of_bob() -> str:
        async with connection(world, "bob") as conn:
            return str((await conn.run("", check=False)).stderr)

    said = []
    for _ in range(5):
        try:
            said.append(asyncio.run(greeting_of_bob()))
        except asyncssh.Error as error:  # nobody is let in rather than the wrong one
            said.append(str(error))
    assert together >= 5
    assert any("Hi bob!" in text for text in said) or first == "signature", said
    assert not any("ada" in text for text in said), said


def test_T01_a_certificate_is_not_a_key(world: World, tmp_path: Path) -> None:
    # A certificate on ada's public key, made by an authority that nobody knows.
    authority = SshKey.make(tmp_path / "ca")
    copy = SshKey(tmp_path / "stolen")
    copy.public.write_bytes(world.keys["ada"].public.read_bytes())
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority.private, "-I", "ada", "-n", "git", copy.public],
        check=True,
    )
    certificate = tmp_path / "stolen-cert.pub"
    done = ssh(world.hub, world.keys["bob"], options=["-o", f"CertificateFile={certificate}"])
    assert "Hi bob!" in greeting(done)
    mine = SshKey.make(tmp_path / "mine")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority.private, "-I", "x", "-n", "git,ada", mine.public],
        check=True,
    )
    done = ssh(world.hub, mine)
    assert done.returncode == 255
    assert b"Permission denied" in done.stderr


def test_T01_a_key_that_is_removed_ends_at_once(world: World, tmp_path: Path) -> None:
    world.add_user("carl")
    key = world.keys["carl"]
    assert "Hi carl!" in greeting(ssh(world.hub, key))
    world.op("user.disable", name="carl")
    assert b"Permission denied" in ssh(world.hub, key).stderr


# T10


def test_T10_the_ssh_user_name_tells_nothing(world: World, tmp_path: Path) -> None:
    stranger = SshKey.make(tmp_path / "stranger")

    def attempt(user: str) -> float:
        began = time.monotonic()
        done = subprocess.run(
            ["ssh", *stranger.options("-p", world.hub.ssh.rsplit(":", 1)[1]), f"{user}@127.0.0.1"],
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        )
        assert done.returncode == 255
        assert b"Permission denied (publickey)" in done.stderr
        return time.monotonic() - began

    known = sorted(attempt("ada") for _ in range(5))[2]
    unknown = sorted(attempt("nobody-here") for _ in range(5))[2]
    assert abs(known - unknown) < 0.5 * max(known, unknown)


def test_T10_passwords_are_no_way_into_ssh(world: World, tmp_path: Path) -> None:
    stranger = SshKey.make(tmp_path / "stranger2")
    done = ssh(world.hub, stranger, options=["-v", "-o", "LogLevel=DEBUG1"])
    methods = set(re.findall(r"Authentications that can continue: (\S+)", done.stderr.decode()))
    assert methods == {"publickey"}, done.stderr


def test_T10_guessing_tokens_is_cheap_to_refuse_and_never_right(world: World) -> None:
    from tests.gitkit import http

    began = time.monotonic()
    for number in range(60):
        status, _, _ = http(
            world.hub,
            "GET",
            "/ada/absent/info/refs?service=git-upload-pack",
            token=f"hubd_{number:043d}",
        )
        assert status == 401
    assert time.monotonic() - began < 30
    assert "hubd_0000" not in world.hub.log()


def test_T10_an_unknown_account_costs_the_work_of_a_known_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity._nobody()  # passlib finds its back end at the first use
    verify = identity._ARGON2.verify
    verified: list[str] = []

    def counted(password: str, stored: str) -> bool:
        verified.append(stored.rsplit("$", 2)[0])  # algorithm, version and costs
        return bool(verify(password, stored))

    monkeypatch.setattr(identity._ARGON2, "verify", counted)
    world.op("user.add", name="dora", email="dora@example.org", password="open sesame")
    world.op("user.add", name="gone", password="open sesame")
    world.op("user.disable", name="gone")
    guesses = ["dora", "dora@example.org", "gone", "ada", "nobody-here", "no@example.org", "\0"]
    seen = Actor.anonymous(Channel.WEB, "127.0.0.9", "id")

    async def guess(core: Core, _actor: Actor) -> None:
        for name in guesses:
            for password in ("w\0rong", "open sesame" if name == "gone" else "w" * 5000):
                with pytest.raises(SignInNeeded, match=r"The name or password is wrong\."):
                    await identity.by_password(core, name, password, seen)
        assert len(verified) == 2 * len(guesses)
        assert (await identity.by_password(core, "dora", "open sesame", seen)).name == "dora"

    world.inside(guess)
    assert len(set(verified)) == 1


def test_T10_many_keys_of_one_client_are_cut_off(world: World, tmp_path: Path) -> None:
    async def run() -> int:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(40)]
        try:
            async with connection(world, "ada", client_keys=keys):
                return -1
        except asyncssh.DisconnectError as error:
            return error.code

    assert asyncio.run(run()) in {
        asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
        asyncssh.DISC_TOO_MANY_CONNECTIONS,
        asyncssh.DISC_CONNECTION_LOST,
    }
    assert world.hub.log().count("ssh.unknown_key") < 1000


# T32

REFUSED = [
    "id",
    "sh",
    "git",
    "git-upload-pack",
    "git-upload-pack ",
    "git-upload-pack 'a' ; id",
    "git-upload-pack 'ada/x' 'ada/y'",
    "git-upload-pack --help",
    "git-upload-pack '--help'",
    "git-upload-pack $(id)",
    "git-upload-pack `id`",
    "git-upload-pack 'ada/x'\n id",
    "git-upload-pack '../../etc/passwd'",
    "git-upload-pack '/../ada/x'",
    "git-upload-pack ''",
    "git-upload-pack 'ada'",
    "git-upload-pack 'a/b/c/d'",
    "git-upload-pack '-oProxyCommand=x/y'",
    "git-upload-archive 'ada/x'",
    "git-shell -c id",
    "scp -t /tmp",
    "GIT_PROTOCOL=x git-upload-pack 'a/b'",
    "env -S id",
    "git-receive-pack --stateless-rpc 'ada/x'",
    'git-upload-pack "ada/x"',
    "true",
    "/usr/bin/git-upload-pack 'ada/x'",
    "git-upload-pack 'ada/x'; git-upload-pack 'ada/x'",
]


@pytest.mark.parametrize("command", REFUSED)
def test_T32_only_the_exact_grammar_is_understood(world: World, command: str) -> None:
    done = ssh(world.hub, world.keys["ada"], command)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"hubd: "), done.stderr
    assert len(done.stderr.strip().split(b"\n")) == 1
    assert b"uid=" not in done.stderr


def test_T32_no_pty_no_shell_no_forwarding_no_subsystem(world: World) -> None:
    ada = world.keys["ada"]
    assert b"PTY allocation request failed" in ssh(world.hub, ada, options=["-tt"]).stderr
    shell = ssh(world.hub, ada, stdin=b"id\n")
    assert b"uid=" not in shell.stdout
    subsystem = ssh(world.hub, ada, "sftp", options=["-s"])
    assert subsystem.returncode != 0
    assert subsystem.stdout == b""
    for option in (["-R", "0:127.0.0.1:22"], ["-W", "127.0.0.1:22"]):
        done = ssh(world.hub, ada, options=["-o", "ExitOnForwardFailure=yes", *option])
        assert b"SSH-2.0" not in done.stdout
        assert (
            b"forwarding" in done.stderr.lower() or b"prohibited" in done.stderr or done.returncode
        )


async def _raw_requests(world: World) -> dict[str, bool]:
    """Channel requests that the OpenSSH client has no option for."""
    said: dict[str, bool] = {}
    async with connection(world, "ada") as conn:
        calls: dict[str, Awaitable[object]] = {
            "direct-tcpip": conn.open_connection("127.0.0.1", 22),
            "direct-streamlocal": conn.open_unix_connection("/run/x.sock"),
            "remote port": conn.start_server(lambda *_: None, "", 0),
            "remote socket": conn.start_unix_server(lambda *_: None, "/tmp/never.sock"),
            "sftp": conn.start_sftp_client(),
            "pty": _pty(conn),
        }
        for what, call in calls.items():
            try:
                await asyncio.wait_for(call, 10)
            except (asyncssh.Error, asyncssh.ChannelListenError, OSError, TimeoutError):
                said[what] = False
            else:
                said[what] = True
        # The connection still serves git.
        done = await conn.run("", check=False)
        said["greeting"] = "Hi ada" in str(done.stderr)
    return said


async def _pty(conn: asyncssh.SSHClientConnection) -> None:
    await conn.run("git-upload-pack 'ada/x'", term_type="xterm", check=False)


def test_T32_raw_channel_requests_are_refused(world: World) -> None:
    said = asyncio.run(_raw_requests(world))
    assert said.pop("greeting") is True
    assert not any(said.values()), said


def test_T32_a_command_of_a_megabyte(world: World) -> None:
    async def run() -> tuple[int | None, str]:
        async with connection(world, "ada") as conn:
            done = await conn.run("git-upload-pack '" + "a" * 200_000 + "'", check=False)
            return done.exit_status, str(done.stderr)

    code, said = asyncio.run(run())
    assert code == 1
    assert "too long" in said


def test_T28_T32_only_git_protocol_is_taken_from_the_environment(world: World) -> None:
    repo = world.repo()
    work = world.work()
    work.commit()
    assert work.push(repo.http).returncode == 0
    marks = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "uploadpack.packObjectsHook",
        "GIT_CONFIG_VALUE_0": "touch /tmp/never",
        "LD_PRELOAD": "/tmp/x.so",
        "GIT_DIR": "/etc",
        "GIT_PROTOCOL": "version=0;id",
        "GIT_TRACE": "/tmp/never",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/etc",
        "PATH": "/nowhere",
    }
    options = [f"-oSetEnv={' '.join(f'{k}={v!r}' for k, v in marks.items())}"]
    done = ssh(
        world.hub,
        world.keys["ada"],
        f"git-upload-pack '/{repo.path}'",
        options=options,
        stdin=b"0000",
    )
    assert done.returncode == 0, done.stderr
    assert b"refs/heads/main" in done.stdout
    assert not Path("/tmp/never").exists()
