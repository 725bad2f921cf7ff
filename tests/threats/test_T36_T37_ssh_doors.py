"""T36, T37: how many may sign in at once, and with which algorithms."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gitkit import SshKey, connect, read_all, ssh
from tests.hubkit import World
from tests.hubproc import Hub

MODERN = {
    "kex": {
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group15-sha512",
        "diffie-hellman-group17-sha512",
        "diffie-hellman-group-exchange-sha256",
        "curve448-sha512",
        "mlkem768x25519-sha256",
        "mlkem768nistp256-sha256",
        "mlkem1024nistp384-sha384",
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "kex-strict-s-v00@openssh.com",
        "ext-info-s",
    },
    "host key algorithms": {"ssh-ed25519", "ecdsa-sha2-nistp256"},
    "ciphers stoc": {
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    },
    "MACs stoc": {"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"},
    "compression stoc": {"none"},
}


def _offers(world: World) -> dict[str, list[str]]:
    done = ssh(world.hub, world.keys["ada"], options=["-vv", "-o", "LogLevel=DEBUG2"])
    text = done.stderr.decode().split("peer server KEXINIT proposal", 1)[1]
    found = {}
    for line in text.splitlines():
        match = re.match(r"debug2: (KEX algorithms|[\w ]+): (\S*)", line)
        if match and match[1] not in found:
            found[match[1].replace("KEX algorithms", "kex")] = match[2].split(",")
    return found


def test_T37_only_modern_algorithms_are_offered(world: World) -> None:
    offers = _offers(world)
    for what, modern in MODERN.items():
        assert set(offers[what]) <= modern, (what, set(offers[what]) - modern)
    assert offers["host key algorithms"][0] == "ssh-ed25519"
    assert "kex-strict-s-v00@openssh.com" in offers["kex"], "Terrapin"


@pytest.mark.parametrize(
    "option",
    [
        "Ciphers=chacha20-poly1305@openssh.com",
        "Ciphers=aes128-cbc",
        "MACs=hmac-sha1",
        "KexAlgorithms=diffie-hellman-group1-sha1",
        "HostKeyAlgorithms=ssh-rsa",
        "KexAlgorithms=diffie-hellman-group14-sha1",
    ],
)
def test_T37_old_algorithms_find_no_match(world: World, option: str) -> None:
    done = ssh(world.hub, world.keys["ada"], options=["-o", option])
    assert done.returncode == 255
    assert b"Hi ada" not in done.stderr


@pytest.mark.parametrize(("kind", "bits"), [("rsa", 1024), ("dsa", 0)])
def test_T37_weak_keys_are_not_taken(world: World, tmp_path: Path, kind: str, bits: int) -> None:
    from hubd.errors import Invalid

    try:
        key = SshKey.make(tmp_path / "weak", kind, bits)
    except subprocess.CalledProcessError:
        pytest.skip(f"this ssh-keygen makes no such {kind} key")
    with pytest.raises(Invalid, match=r"bits|not accepted"):
        world.op("key.add", user="ada", key=key.public.read_text())


def test_T37_an_rsa_key_signs_with_sha2_only(world: World, tmp_path: Path) -> None:
    key = SshKey.make(tmp_path / "rsa", "rsa", 3072)
    assert world.op("key.add", user="ada", key=key.public.read_text())["warning"] == ""
    assert "Hi ada!" in ssh(world.hub, key).stderr.decode()
    done = ssh(world.hub, key, options=["-o", "PubkeyAcceptedAlgorithms=ssh-rsa"])
    assert done.returncode == 255


def test_T37_a_banner_that_is_no_ssh(world: World) -> None:
    for noise in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-" + b"x" * 5000 + b"\r\n",
    ):
        with connect(world.hub, "ssh", 10) as sock:
            sock.sendall(noise)
            try:
                read_all(sock)
            except TimeoutError:
                pytest.fail(f"still open after {noise[:20]!r}")


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub with short times and few places."""
    folder = tmp_path_factory.mktemp("impatient")
    settings: dict[str, Any] = {
        "ssh_login_timeout": 12,
        "ssh_unauthenticated": 30,
        "ssh_per_address": 40,
        "idle_timeout": 5,
        "shutdown_grace": 2,
    }
    with Hub(folder / "data", **settings) as hub:
        yield World.populate(hub, folder)


def test_T36_a_burst_of_half_done_logins_is_bounded(impatient: World) -> None:
    socks = [connect(impatient.hub, "ssh", 10) for _ in range(60)]
    try:
        answers = []
        for sock in socks:
            sock.settimeout(5)
            answers.append(sock.recv(256))
        served = [a for a in answers if a.startswith(b"SSH-2.0-hubd")]
        assert len(served) >= 30
        # All places are taken: the next one is told so, and it does not cost the daemon.
        done = ssh(impatient.hub, impatient.keys["ada"])
        assert done.returncode == 255
        assert b"Too many connections" in done.stderr, done.stderr
        # After the login time they are gone, and people get in again.
        deadline = time.monotonic() + 60
        while b"Hi ada" not in ssh(impatient.hub, impatient.keys["ada"]).stderr:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        for sock in socks:
            sock.close()
