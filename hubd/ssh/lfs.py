"""``git-lfs-authenticate``: from an SSH key to the LFS endpoints over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hubd.core import remote_auth
from hubd.core.context import Core
from hubd.ssh.command import Command
from hubd.types import Actor

if TYPE_CHECKING:
    from hubd.ssh.server import Connection


async def authenticate(core: Core, actor: Actor, connection: Connection, command: Command) -> bytes:
    """What git-lfs wants to read (its ``docs/api/server-discovery.md``)."""
    granted = await remote_auth.issue(
        core, actor, connection.signed_by, command.ref, may_write=command.uploads
    )
    answer = {
        "href": granted.href,
        "header": {"Authorization": f"Bearer {granted.token}"},
        "expires_in": granted.expires_in,
    }
    return msgspec.json.encode(answer) + b"\n"
