"""The operator's door: a Unix socket that only the daemon's own user can open.

One JSON line in (``{"op": …, "args": {…}}``), one out (``{"ok": …}`` or ``{"error": …}``); what
takes long says before that how far it is (``{"say": …}``). The CLI
uses it while the daemon runs, so that what the daemon remembers stays true; else the CLI calls the
same operations in its own process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from hubd.core import accounts, credentials, maintenance, orgs, repos, storage, trash
from hubd.core.context import Core
from hubd.errors import HubError, Invalid
from hubd.lfs.quota import Limits
from hubd.types import Actor, RepoRef, Role, Scope, Visibility, Wanted

log = structlog.get_logger()
_LIMIT = 1024 * 1024
Args = dict[str, Any]
Operation = Callable[[Core, Actor, Args], Awaitable[object]]
Say = Callable[[str], None]
LongOperation = Callable[[Core, Actor, Args, Say], Awaitable[object]]


def _ref(args: Args) -> RepoRef:
    return RepoRef.parse(args.get("type") or "model", args["repo"])


def _visibility(args: Args) -> Visibility | None:
    text = args.get("visibility")
    return Visibility(text) if text else None


async def _user_add(core: Core, actor: Actor, args: Args) -> object:
    user = await accounts.add_user(
        core,
        actor,
        args["name"],
        email=args.get("email"),
        password=args.get("password"),
        is_admin=args.get("admin", False),
        full_name=args.get("full_name", ""),
        must_change_password=args.get("must_change", False),
    )
    return user.id


async def _user_list(core: Core, actor: Actor, args: Args) -> object:
    del args
    rows: list[Args] = []
    after: str | None = None
    while True:
        users, after = await accounts.listing(core, actor, after=after)
        rows += [
            {
                "name": u.name,
                "email": u.email,
                "admin": u.is_admin,
                "disabled": u.disabled_at is not None,
            }
            for u in users
        ]
        if after is None:
            return rows


async def _user_disable(core: Core, actor: Actor, args: Args) -> object:
    await accounts.set_disabled(core, actor, args["name"], disabled=not args.get("enable"))
    return None


async def _user_passwd(core: Core, actor: Actor, args: Args) -> object:
    must_change = args.get("must_change", False)
    await accounts.set_password(
        core, actor, args["name"], args["password"], must_change=must_change
    )
    return None


async def _token_add(core: Core, actor: Actor, args: Args) -> object:
    made = await credentials.add_token(
        core,
        actor,
        args["user"],
        name=args.get("name") or "",
        scope=Scope.parse(args.get("scope") or "read"),
        lifetime_seconds=args.get("lifetime"),
    )
    return made.secret


async def _key_add(core: Core, actor: Actor, args: Args) -> object:
    made = await credentials.add_key(core, actor, args["key"], args["user"])
    return {"fingerprint": made.key.fingerprint, "warning": made.warning}


async def _org_add(core: Core, actor: Actor, args: Args) -> object:
    org = await orgs.create(
        core,
        actor,
        args["name"],
        owner=args["owner"],
        full_name=args.get("full_name", ""),
        default_visibility=_visibility(args) or Visibility.PUBLIC,
    )
    return org.id


async def _org_member(core: Core, actor: Actor, args: Args) -> object:
    role = Role.NONE if args["role"] == "none" else Role.parse(args["role"])
    await orgs.set_member(core, actor, args["org"], args["user"], role)
    return None


async def _repo_add(core: Core, actor: Actor, args: Args) -> object:
    found = await repos.create(
        core,
        actor,
        _ref(args),
        visibility=_visibility(args),
        object_format=args.get("object_format") or "sha1",
    )
    return found.repo.id


async def _repo_grant(core: Core, actor: Actor, args: Args) -> object:
    role = Role.NONE if args["role"] == "none" else Role.parse(args["role"])
    await repos.grant(core, actor, _ref(args), args["user"], role)
    return None


async def _repo_list(core: Core, actor: Actor, args: Args) -> object:
    rows: list[Args] = []
    after: str | None = None
    while True:
        found, after = await repos.listing(
            core, actor, Wanted(namespace=args.get("namespace")), after=after, limit=200
        )
        rows += [{"path": r.ref.path, "visibility": r.visibility.value, "id": r.id} for r in found]
        if after is None:
            return rows


async def _repo_delete(core: Core, actor: Actor, args: Args) -> object:
    await repos.delete(core, actor, _ref(args))
    return None


async def _repo_trash(core: Core, actor: Actor, args: Args) -> object:
    deleted = await trash.listing(core, actor, args["namespace"])
    return [{"path": r.ref.path, "id": r.id, "deleted_at": r.deleted_at} for r in deleted]


async def _repo_restore(core: Core, actor: Actor, args: Args) -> object:
    return (await trash.restore_by_id(core, actor, args["id"])).ref.path


async def _repo_fsck(core: Core, actor: Actor, args: Args) -> object:
    return list((await maintenance.fsck(core, actor, _ref(args))).faults)


async def _repo_gc(core: Core, actor: Actor, args: Args) -> object:
    await maintenance.gc(core, actor, _ref(args), prune_now=args.get("prune_now", False))
    return None


async def _quota_show(core: Core, actor: Actor, args: Args) -> object:
    if "/" in args["whose"]:
        account = await storage.of_repo(core, actor, RepoRef.parse(args["type"], args["whose"]))
    else:
        account = await storage.of_namespace(core, actor, args["whose"])
    return {"room": account.room, "own": account.own}


async def _quota_set(core: Core, actor: Actor, args: Args) -> object:
    limits = None if args.get("default") else Limits(args["bytes"], args["objects"])
    if "/" in args["whose"]:
        ref = RepoRef.parse(args["type"], args["whose"])
        await storage.limit_repo(core, actor, ref, limits)
    else:
        await storage.limit_namespace(core, actor, args["whose"], limits)
    return None


async def _store_usage(core: Core, actor: Actor, args: Args) -> object:
    del args
    return await storage.overview(core, actor)


async def _store_gc(core: Core, actor: Actor, args: Args, say: Say) -> object:
    return await storage.collect(core, actor, say, dry_run=args.get("dry_run", False))


async def _store_migrate(core: Core, actor: Actor, args: Args, say: Say) -> object:
    return await storage.migrate(core, actor, args["to"], say)


async def _store_verify(core: Core, actor: Actor, args: Args, say: Say) -> object:
    del args
    done, owners = await storage.verify(core, actor, say)
    return {"done": done, "owners": owners}


async def _store_forget(core: Core, actor: Actor, args: Args) -> object:
    del args
    storage.forget(core, actor)
    return None


LONG_OPERATIONS: dict[str, LongOperation] = {
    "store.gc": _store_gc,
    "store.migrate": _store_migrate,
    "store.verify": _store_verify,
}
OPERATIONS: dict[str, Operation] = {
    "user.add": _user_add,
    "user.list": _user_list,
    "user.disable": _user_disable,
    "user.passwd": _user_passwd,
    "token.add": _token_add,
    "key.add": _key_add,
    "org.add": _org_add,
    "org.member": _org_member,
    "repo.add": _repo_add,
    "repo.grant": _repo_grant,
    "repo.list": _repo_list,
    "repo.delete": _repo_delete,
    "repo.trash": _repo_trash,
    "repo.restore": _repo_restore,
    "repo.fsck": _repo_fsck,
    "repo.gc": _repo_gc,
    "quota.show": _quota_show,
    "quota.set": _quota_set,
    "store.usage": _store_usage,
    "store.forget": _store_forget,
}


async def perform(core: Core, op: str, args: Args, say: Say = lambda _: None) -> Any:
    """Do one operation as the operator, to plain values; raises ``HubError``."""
    actor = Actor.system()
    if op in LONG_OPERATIONS:
        return msgspec.to_builtins(await LONG_OPERATIONS[op](core, actor, args, say))
    operation = OPERATIONS.get(op)
    if operation is None:
        raise Invalid(f"There is no operation {op!r}.")
    return msgspec.to_builtins(await operation(core, actor, args))


class Server:
    """The listening end of the socket."""

    def __init__(self, server: asyncio.Server, path: Path) -> None:
        self._server = server
        self._path = path

    async def close(self) -> None:
        """Stop listening."""
        self._server.close()
        self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address of a socket that fits into the 108 bytes of unix(7), wherever it lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def serve(core: Core, path: Path) -> Server:
    """Listen; the socket is readable and writable by the daemon's user only."""
    path.unlink(missing_ok=True)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(await _reply(core, line, partial(_tell, writer)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            log.info("control.client_gone", reason=str(error))
        finally:
            writer.close()

    # Made under another name first: between bind and chmod nobody must find it. The mask is the
    # whole process's, so nothing may run between setting and restoring it.
    hidden = path.with_suffix(".new")
    hidden.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old_mask = os.umask(0o177)
    try:
        with _short(hidden) as address:
            sock.bind(address)
    finally:
        os.umask(old_mask)
    sock.setblocking(False)
    server = await asyncio.start_unix_server(client, sock=sock, limit=_LIMIT)
    hidden.rename(path)
    return Server(server, path)


def _tell(writer: asyncio.StreamWriter, text: str) -> None:
    """How far it is; whoever reads slowly hears less, and who has left nothing."""
    if not writer.is_closing() and not writer.transport.get_write_buffer_size():
        writer.write(msgspec.json.encode({"say": text}) + b"\n")


async def _reply(core: Core, line: bytes, say: Say) -> bytes:
    try:
        request = msgspec.json.decode(line, type=dict[str, Any])
        answer: Args = {"ok": await perform(core, str(request["op"]), request.get("args", {}), say)}
    except HubError as error:
        answer = {"error": error.sentence}
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        answer = {"error": f"The request is malformed: {error}."}
    except Exception:
        log.exception("control.failed")
        answer = {"error": "Internal error; see the daemon's log."}
    return msgspec.json.encode(answer)


async def ask(path: Path, op: str, args: Args, say: Say = lambda _: None) -> object:
    """The client's side; ``Invalid`` with the daemon's sentence, ``OSError`` if none runs."""
    with _short(path) as address:
        reader, writer = await asyncio.open_unix_connection(address, limit=_LIMIT * 16)
    try:
        writer.write(msgspec.json.encode({"op": op, "args": args}) + b"\n")
        await writer.drain()
        while "say" in (answer := msgspec.json.decode(await reader.readline(), type=Args)):
            say(answer["say"])
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    if "error" in answer:
        raise Invalid(answer["error"])
    return answer.get("ok")
