"""What a service tells its manager and takes from it: sd_notify(3) and sd_listen_fds(3)."""

from __future__ import annotations

import asyncio
import os
import socket

_FIRST = 3


class Notifier:
    """Readiness, stopping and watchdog; silent where no manager listens."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(text.encode(), address)

    def ready(self, status: str) -> None:
        """The doors are open."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Nothing new is accepted."""
        self._send("STOPPING=1\nSTATUS=finishing what is in flight")

    async def watchdog(self) -> None:
        """Say that the loop turns, twice as often as the manager asks."""
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        pid = os.environ.get("WATCHDOG_PID", "")
        if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
            return
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(int(microseconds) / 2_000_000)


def inherited_sockets() -> dict[str, list[socket.socket]]:
    """The listening sockets that the manager holds for us, by name (``http``, ``ssh``)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for index in range(count):
        name = names[index] if index < len(names) else ""
        sock = socket.socket(fileno=_FIRST + index)
        sock.set_inheritable(False)
        sock.setblocking(False)
        found.setdefault(name.removesuffix(".socket").rpartition("-")[2], []).append(sock)
    return found
