"""Access tokens, SSH keys and deploy keys of accounts and repositories."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubd import access
from hubd.core import accounts, identity, repos
from hubd.core.context import Core
from hubd.errors import Invalid, NotFound
from hubd.sshkeys import parse_public_key
from hubd.store import audit, keys, namespaces, queries, tokens
from hubd.store.engine import Connection
from hubd.store.keys import Key
from hubd.store.tokens import Token
from hubd.store.users import User
from hubd.types import Actor, HubAction, RepoAction, RepoRef, Scope


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made; ``secret`` is shown this once."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True)
class TokenPlaces:
    """Names by id of namespaces and repositories that tokens are limited to."""

    namespaces: Mapping[int, str]
    repos: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just added, with what its owner should know about it."""

    key: Key
    warning: str


async def _owner(core: Core, actor: Actor, user_name: str | None, doing: str) -> User:
    """The account whose credentials are asked for: one's own, or any as administrator."""
    user = await (accounts.by_name(core, user_name) if user_name else accounts.me(core, actor))
    action = HubAction.MANAGE_OWN_ACCOUNT if user.id == actor.user_id else HubAction.MANAGE_USERS
    access.require(access.decide_hub(actor, action), doing)
    return user


async def add_token(
    core: Core,
    actor: Actor,
    user_name: str | None = None,
    *,
    name: str = "",
    scope: Scope = Scope.READ,
    lifetime_seconds: float | None = None,
    namespace_names: Sequence[str] = (),
    repo_refs: Sequence[RepoRef] = (),
) -> NewToken:
    """Make a token; the limits name where it works, none meaning everywhere."""
    user = await _owner(core, actor, user_name, "make tokens")
    if lifetime_seconds is not None and lifetime_seconds <= 0:
        raise Invalid("A token must live for more than no time.")
    if len(name) > 100:  # noqa: PLR2004
        raise Invalid("A token's name has at most 100 characters.")
    namespace_ids = [await _namespace_id(core, text) for text in namespace_names]
    repo_ids = [(await repos.find(core, actor, ref)).repo.id for ref in repo_refs]
    secret = identity.new_token()
    expires_at = None if lifetime_seconds is None else time.time() + lifetime_seconds

    async def work(conn: Connection) -> int:
        token_id = await tokens.add(
            conn,
            user_id=user.id,
            name=name or "token",
            prefix=secret[:9],
            secret_hash=identity.digest(secret),
            scope=scope,
            namespace_ids=namespace_ids,
            repo_ids=repo_ids,
            expires_at=expires_at,
        )
        await audit.add(conn, actor, "token.add", user.name, {"scope": scope.label})
        return token_id

    token_id = await core.store.write(work)
    async with core.store.read() as conn:
        token = next(t for t in await tokens.for_user(conn, user.id) if t.id == token_id)
    return NewToken(token, secret)


async def _namespace_id(core: Core, name: str) -> int:
    async with core.store.read() as conn:
        found = await namespaces.by_name(conn, name)
    if found is None:
        raise NotFound(f"There is no user or organization named {name!r}.")
    return found[0].id


async def list_tokens(core: Core, actor: Actor, user_name: str | None = None) -> list[Token]:
    """The tokens of an account, without their secrets."""
    user = await _owner(core, actor, user_name, "list tokens")
    async with core.store.read() as conn:
        return list(await tokens.for_user(conn, user.id))


async def used(core: Core, actor: Actor) -> Token | None:
    """The token that the request came with; None for another credential."""
    if actor.token_id is None or actor.user_id is None:
        return None
    async with core.store.read() as conn:
        found = await tokens.for_user(conn, actor.user_id)
    return next((token for token in found if token.id == actor.token_id), None)


async def places(core: Core, actor: Actor, found: Sequence[Token]) -> TokenPlaces:
    """The names of where tokens are limited to; of repositories, those the actor may see."""
    namespace_ids = {i for token in found for i in token.namespace_ids}
    repo_ids = {i for token in found for i in token.repo_ids}
    async with core.store.read() as conn:
        return TokenPlaces(
            await queries.namespace_names(conn, namespace_ids) if namespace_ids else {},
            await queries.repo_paths(conn, access.visible(actor), repo_ids) if repo_ids else {},
        )


async def revoke_token(
    core: Core, actor: Actor, token_id: int, user_name: str | None = None
) -> None:
    """End a token now; raises ``NotFound`` unless it is this account's."""
    user = await _owner(core, actor, user_name, "revoke tokens")

    async def work(conn: Connection) -> None:
        if not await tokens.revoke(conn, user.id, token_id):
            raise NotFound("There is no such token.")
        await audit.add(conn, actor, "token.revoke", user.name, {"token": token_id})

    await core.store.write(work)


async def add_key(
    core: Core, actor: Actor, text: str, user_name: str | None = None, *, name: str = ""
) -> NewKey:
    """Let a key sign in as this account; a key belongs to one account only."""
    user = await _owner(core, actor, user_name, "add keys")
    return await _add(core, actor, text, name, user.name, user_id=user.id)


async def add_deploy_key(
    core: Core, actor: Actor, ref: RepoRef, text: str, *, name: str = "", can_write: bool = False
) -> NewKey:
    """Let a key read, or read and write, this one repository."""
    found = await repos.find(core, actor, ref, RepoAction.MANAGE_ACCESS)
    target = found.repo.ref.path
    return await _add(core, actor, text, name, target, repo_id=found.repo.id, can_write=can_write)


async def _add(
    core: Core,
    actor: Actor,
    text: str,
    name: str,
    target: str,
    *,
    user_id: int | None = None,
    repo_id: int | None = None,
    can_write: bool = True,
) -> NewKey:
    key = await asyncio.to_thread(parse_public_key, text)
    fingerprint = key.fingerprint

    async def work(conn: Connection) -> None:
        await keys.add(
            conn,
            user_id=user_id,
            repo_id=repo_id,
            name=name[:100] or key.comment[:100] or fingerprint[:20],
            kind=key.algorithm,
            fingerprint=fingerprint,
            public_key=key.line,
            can_write=can_write,
        )
        await audit.add(conn, actor, "key.add", target, {"fingerprint": fingerprint})

    await core.store.write(work)
    async with core.store.read() as conn:
        stored = await keys.by_fingerprint(conn, fingerprint)
    assert stored is not None, "just written"  # noqa: S101
    return NewKey(stored, key.warning)


async def list_keys(core: Core, actor: Actor, user_name: str | None = None) -> list[Key]:
    """The SSH keys of an account."""
    user = await _owner(core, actor, user_name, "list keys")
    async with core.store.read() as conn:
        return list(await keys.for_user(conn, user.id))


async def list_deploy_keys(core: Core, actor: Actor, ref: RepoRef) -> list[Key]:
    """The deploy keys of a repository."""
    found = await repos.find(core, actor, ref, RepoAction.MANAGE_ACCESS)
    async with core.store.read() as conn:
        return list(await keys.for_repo(conn, found.repo.id))


async def remove_key(core: Core, actor: Actor, key_id: int, user_name: str | None = None) -> None:
    """Forget a key of an account; raises ``NotFound`` unless it is this account's."""
    user = await _owner(core, actor, user_name, "remove keys")

    async def work(conn: Connection) -> None:
        if not await keys.remove(conn, key_id, user_id=user.id):
            raise NotFound("There is no such key.")
        await audit.add(conn, actor, "key.remove", user.name, {"key": key_id})

    await core.store.write(work)


async def remove_deploy_key(core: Core, actor: Actor, ref: RepoRef, key_id: int) -> None:
    """Forget a deploy key; raises ``NotFound`` unless it is this repository's."""
    found = await repos.find(core, actor, ref, RepoAction.MANAGE_ACCESS)

    async def work(conn: Connection) -> None:
        if not await keys.remove(conn, key_id, repo_id=found.repo.id):
            raise NotFound("There is no such key.")
        await audit.add(conn, actor, "key.remove", found.repo.ref.path, {"key": key_id})

    await core.store.write(work)
