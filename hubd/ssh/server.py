"""The SSH server: which key signed, how many may connect, and what they may open."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import structlog
from asyncssh.kex import get_kex_algs

from hubd.core import identity
from hubd.core.context import Core
from hubd.ssh.input import WINDOW
from hubd.ssh.session import GitSession
from hubd.types import Actor, Channel, plain_address

log = structlog.get_logger()

# The client's order decides, and OpenSSH puts chacha20 first, which costs twice the processor time
# here: leaving it out is the only way to steer it.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
SIGNATURES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
MAX_KEYS_TRIED = 20
MAX_SESSIONS = 10
_BACKLOG = 1024
_ASKING_SECONDS = 5.0
_FAREWELL_SECONDS = 2.0


@dataclass
class Census:
    """Connections in all, by address, and not yet signed in."""

    by_address: Counter[str] = field(default_factory=Counter)
    strangers: int = 0
    connections: set[Connection] = field(default_factory=set)

    def refusal(self, core: Core, address: str) -> str | None:
        """Why one more connection is too many, or None."""
        config = core.config
        if self.strangers >= config.ssh_unauthenticated:
            return "Too many connections are signing in; try again in a minute."
        if self.by_address[address] >= config.ssh_per_address:
            return "Too many connections from your address; close some."
        if self.by_address.total() >= config.connections:
            return "Too many connections; try again in a minute."
        return None


class Connection(asyncssh.SSHServer):
    """One client's connection; remembers nothing but the fingerprint of the key that signed."""

    def __init__(self, core: Core, census: Census) -> None:
        self._core = core
        self._census = census
        self._conn: asyncssh.SSHServerConnection | None = None
        self._signed_by: str | None = None
        self._tried = 0
        self._counted = False
        self._stranger = False
        self.address = ""
        self.sessions = 0
        self.served = False
        # Set while the TCP transport takes bytes; asyncssh itself never looks.
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Count the connection, or refuse it with a sentence."""
        self._conn = conn
        peer = conn.get_extra_info("peername")
        self.address = plain_address(str(peer[0])) if isinstance(peer, tuple) else "local"
        refusal = self._census.refusal(self._core, self.address)
        if refusal:
            # After our version line, else the client takes the sentence for noise.
            asyncio.get_running_loop().call_soon(_turn_away, conn, refusal)
            return
        self._counted = self._stranger = True
        self._census.connections.add(self)
        self._census.by_address[self.address] += 1
        self._census.strangers += 1
        self._core.metrics.ssh_connections.inc()
        _gate_writes(conn, self.writable)
        _acknowledge_quickly(conn, lambda: self._stranger)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take it out of the census."""
        self.writable.set()
        self._no_stranger()
        self._census.connections.discard(self)
        if self._counted:
            self._counted = False
            self._census.by_address[self.address] -= 1
            if not self._census.by_address[self.address]:
                del self._census.by_address[self.address]
            self._core.metrics.ssh_connections.dec()
        if exc is not None:
            log.debug("ssh.lost", address=self.address, reason=str(exc))

    def begin_auth(self, username: str) -> bool:
        """The key says who it is; the user name (``git`` by custom) does not matter."""
        del username
        return True

    def public_key_auth_supported(self) -> bool:
        """Keys are the only way in."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether the key is known. Called for mere offers too, so it lets nobody in by itself."""
        del username
        self._tried += 1
        if self._tried > MAX_KEYS_TRIED and self._conn is not None:
            self._conn.disconnect(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many keys were offered."
            )
            return False
        fingerprint = key.get_fingerprint()
        known = await identity.by_key(self._core, fingerprint, self._seen(""))
        if known is None:
            log.info("ssh.unknown_key", address=self.address, fingerprint=fingerprint)
            return False
        self._note_signature(key, fingerprint)
        return True

    def _note_signature(self, key: asyncssh.SSHKey, fingerprint: str) -> None:
        """Identity comes from the key whose signature was verified, never from an offer."""
        verify = key.verify

        def noted(data: bytes, sig: bytes) -> bool:
            right = verify(data, sig)
            if right:
                self._signed_by = fingerprint
            return right

        key.verify = noted  # type: ignore[method-assign]

    def auth_completed(self) -> None:
        """Signed in: no stranger any more."""
        self._no_stranger()

    def _no_stranger(self) -> None:
        if self._stranger:
            self._stranger = False
            self._census.strangers -= 1

    def session_requested(self) -> GitSession | bool:
        """A channel for one command."""
        if self.sessions >= MAX_SESSIONS:
            return False
        self.served = True
        return GitSession(self._core, self)

    def leave(self) -> None:
        """Say goodbye to a client that has nothing running."""
        if self._conn is not None:
            self._conn.disconnect(asyncssh.DISC_BY_APPLICATION, "The server is stopping.")

    @property
    def signed_by(self) -> str:
        """The fingerprint of the key that signed; empty before."""
        return self._signed_by or ""

    async def actor(self, request_id: str) -> Actor | None:
        """Who signed in, looked up afresh, since a key may have gone since."""
        return await identity.by_key(self._core, self.signed_by, self._seen(request_id))

    def _seen(self, request_id: str) -> Actor:
        return Actor.anonymous(Channel.SSH, self.address, request_id)


def _turn_away(conn: asyncssh.SSHServerConnection, why: str) -> None:
    """Refuse with a sentence that arrives.

    ``disconnect`` closes at once, and a close with bytes of the client's unread is a reset, which
    takes the sentence with it. So we end our side only and throw away what comes for a while.
    """
    patched: Any = conn
    transport = patched._transport  # noqa: SLF001 - there is no public way to half-close
    if transport is None:  # Gone already.
        return
    patched._send_disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, why, "en-US")  # noqa: SLF001
    patched.data_received = _discard
    transport.write_eof()
    asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, conn.abort)


def _discard(data: bytes, datatype: None = None) -> None:
    del data, datatype


def _gate_writes(conn: asyncssh.SSHServerConnection, gate: asyncio.Event) -> None:
    """Without this a client that announces a huge window and stops reading fills our memory."""
    patched: Any = conn
    patched.pause_writing = gate.clear
    patched.resume_writing = gate.set


def _acknowledge_quickly(conn: asyncssh.SSHServerConnection, wanted: Any) -> None:
    """Set TCP_QUICKACK while the handshake runs: it spares two stalls of 40 ms.

    Linux forgets the option, so it is set again with everything that arrives.
    """
    patched: Any = conn
    peer = conn.get_extra_info("socket")
    receive = conn.data_received
    if peer is None or peer.family not in {socket.AF_INET, socket.AF_INET6}:
        return

    def received(data: bytes, datatype: None = None) -> None:
        if wanted():
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        receive(data, datatype)

    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    patched.data_received = received


def host_keys(folder: Path) -> list[asyncssh.SSHKey]:
    """The server's own keys, made at the first start; ed25519 first. Blocking."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = []
    for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256"):
        file = folder / f"ssh_host_{algorithm.removeprefix('ssh-').split('-')[0]}_key"
        if not file.exists():
            key = asyncssh.generate_private_key(algorithm, comment="hubd")
            temporary = file.with_suffix(".tmp")
            temporary.touch(mode=0o600)
            key.write_private_key(temporary)
            key.write_public_key(file.with_suffix(".pub"))
            temporary.rename(file)
        keys.append(asyncssh.read_private_key(file))
    return keys


class Door:
    """The listening sockets and the connections that came through them."""

    def __init__(self, acceptors: list[asyncssh.SSHAcceptor], census: Census) -> None:
        self._acceptors = acceptors
        self._census = census

    def close(self) -> None:
        """Accept no more; what is connected goes on."""
        for acceptor in self._acceptors:
            acceptor.close()

    async def drain(self, seconds: float) -> None:
        """Let commands finish; who has not asked for one yet gets a short while to do so."""
        started = time.monotonic()
        while connections := list(self._census.connections):
            waited = time.monotonic() - started
            if waited >= seconds:
                break
            for connection in connections:
                patient = not connection.served and waited < _ASKING_SECONDS
                if not connection.sessions and not patient:
                    connection.leave()
            await asyncio.sleep(0.05)


def available_key_exchanges() -> list[str]:
    """Ours, as far as the cryptography at hand has them."""
    known = {name.decode() for name in get_kex_algs()}
    return [name for name in KEY_EXCHANGES if name in known]


async def listen(core: Core, sockets: list[socket.socket]) -> Door:
    """Serve on these bound sockets."""
    keys = await asyncio.to_thread(host_keys, core.config.data / "ssh")
    census = Census()
    acceptors = [
        await asyncssh.listen(
            sock=sock,
            backlog=_BACKLOG,
            server_factory=lambda: Connection(core, census),
            server_host_keys=keys,
            server_version="hubd",
            encoding=None,
            kex_algs=available_key_exchanges(),
            encryption_algs=CIPHERS,
            mac_algs=MACS,
            signature_algs=SIGNATURES,
            compression_algs=("none",),
            login_timeout=core.config.ssh_login_timeout,
            keepalive_interval=30,
            keepalive_count_max=4,
            allow_pty=False,
            x11_forwarding=False,
            agent_forwarding=False,
            line_editor=False,
            gss_host=None,
            config=(),
            window=WINDOW,
            max_pktsize=65536,
        )
        for sock in sockets
    ]
    return Door(acceptors, census)
