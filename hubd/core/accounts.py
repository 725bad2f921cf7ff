"""Users: add, list, change, disable, sign in and out."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hubd import access
from hubd.core import identity
from hubd.core.context import Core
from hubd.errors import Denied, Invalid, NotFound
from hubd.names import check_name
from hubd.reserved import check_free
from hubd.store import audit, namespaces, sessions, users
from hubd.store.engine import Connection
from hubd.store.sessions import Session
from hubd.store.users import User
from hubd.types import Actor, ActorKind, HubAction, Visibility

_EMAIL = re.compile(r"[^@\s<>\"']{1,64}@[^@\s<>\"']{1,190}\Z")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh browser session; ``secret`` goes into the cookie and nowhere else."""

    user: User
    secret: str
    max_age: int


async def add_user(
    core: Core,
    actor: Actor,
    name: str,
    *,
    email: str | None = None,
    password: str | None = None,
    is_admin: bool = False,
    full_name: str = "",
    must_change_password: bool = False,
) -> User:
    """Make an account; without a password it can only be used by tokens and keys."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_USERS), "manage users")
    check_free(check_name(name, "user"), by_operator=actor.kind is ActorKind.SYSTEM)
    _check_email(email)
    stored = await _hashed(core, password) if password is not None else None

    async def work(conn: Connection) -> int:
        user_id = await namespaces.add(
            conn,
            kind="user",
            name=name,
            full_name=full_name,
            default_visibility=Visibility.PUBLIC,
        )
        await users.add(
            conn,
            id=user_id,
            email=email,
            password_hash=stored,
            is_admin=is_admin,
            must_change_password=must_change_password,
        )
        await audit.add(conn, actor, "user.add", name, {"admin": is_admin})
        return user_id

    return await by_id(core, await core.store.write(work))


def _check_email(email: str | None) -> None:
    if email is not None and not _EMAIL.match(email):
        raise Invalid("This is not an e-mail address.")


async def _hashed(core: Core, password: str) -> str:
    least = core.config.password_min_length
    if not least <= len(password) <= 1024:  # noqa: PLR2004
        raise Invalid(f"A password has {least} to 1024 characters.")
    return await identity.hash_password(password)


async def count(core: Core) -> int:
    """How many accounts there are."""
    async with core.store.read() as conn:
        return await users.count(conn)


async def by_id(core: Core, user_id: int) -> User:
    """A user by id; raises ``NotFound``."""
    async with core.store.read() as conn:
        user = await users.by_id(conn, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


async def by_name(core: Core, name: str) -> User:
    """A user by name, following renames; raises ``NotFound``."""
    async with core.store.read() as conn:
        user = await users.by_name(conn, name)
    if user is None:
        raise NotFound(f"There is no user named {name!r}.")
    return user


async def account(core: Core, actor: Actor, name: str) -> User:
    """A user with what only the account itself and administrators may see."""
    user = await by_name(core, name)
    _require_self_or_admin(actor, user, "see this account")
    return user


async def me(core: Core, actor: Actor) -> User:
    """The account behind the request; raises ``SignInNeeded`` for none."""
    if actor.user_id is None:
        access.require(access.Verdict.SIGN_IN, "see your account")
        raise NotFound("There is no such user.")
    return await by_id(core, actor.user_id)


async def listing(
    core: Core, actor: Actor, *, after: str | None = None, limit: int = 100
) -> tuple[Sequence[User], str | None]:
    """A page of all users, by name."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_USERS), "list all users")
    async with core.store.read() as conn:
        return await users.page(conn, after=after, limit=limit)


def _require_self_or_admin(actor: Actor, user: User, doing: str) -> None:
    if actor.user_id == user.id:
        access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), doing)
    else:
        access.require(access.decide_hub(actor, HubAction.MANAGE_USERS), doing)


async def set_disabled(core: Core, actor: Actor, name: str, *, disabled: bool) -> User:
    """Shut an account out everywhere at once, or let it in again."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_USERS), "manage users")
    user = await by_name(core, name)
    if user.id == actor.user_id and disabled:
        raise Denied("You cannot disable your own account.")

    async def work(conn: Connection) -> None:
        await users.set_disabled(conn, user.id, time.time() if disabled else None)
        if disabled:
            await sessions.remove_for_user(conn, user.id)
        await audit.add(conn, actor, "user.disable" if disabled else "user.enable", user.name)

    await core.store.write(work)
    return await by_id(core, user.id)


async def set_password(
    core: Core, actor: Actor, name: str, password: str, *, must_change: bool = False
) -> None:
    """Replace the password and end the account's other browser sessions."""
    user = await by_name(core, name)
    _require_self_or_admin(actor, user, "change this password")
    stored = await _hashed(core, password)

    async def work(conn: Connection) -> None:
        await users.set_password(conn, user.id, stored, must_change=must_change)
        await sessions.remove_for_user(conn, user.id)
        await audit.add(conn, actor, "user.password", user.name)

    await core.store.write(work)


async def change_own_password(core: Core, actor: Actor, old: str, new: str) -> None:
    """As ``set_password``, for oneself, with the old one shown."""
    user = await me(core, actor)
    # Before the password is looked at: a token of small scope must not serve to guess it.
    _require_self_or_admin(actor, user, "change this password")
    await identity.by_password(core, user.name, old, actor)
    if old == new:
        raise Invalid("The new password must differ from the old one.")
    await set_password(core, actor, user.name, new)


async def set_admin(core: Core, actor: Actor, name: str, *, is_admin: bool) -> User:
    """Make a user an administrator of the hub, or not."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_USERS), "manage users")
    user = await by_name(core, name)
    if user.id == actor.user_id and not is_admin:
        raise Denied("You cannot take this right from yourself.")

    async def work(conn: Connection) -> None:
        await users.set_admin(conn, user.id, is_admin)
        await audit.add(conn, actor, "user.admin", user.name, {"admin": is_admin})

    await core.store.write(work)
    return await by_id(core, user.id)


async def update(
    core: Core,
    actor: Actor,
    name: str,
    *,
    full_name: str | None = None,
    email: str | None = None,
) -> User:
    """Change what is shown of a user; None leaves as it is."""
    user = await by_name(core, name)
    _require_self_or_admin(actor, user, "change this account")
    _check_email(email)
    if full_name is not None and len(full_name) > 200:  # noqa: PLR2004
        raise Invalid("A full name has at most 200 characters.")

    async def work(conn: Connection) -> None:
        if full_name is not None:
            await namespaces.update(conn, user.id, full_name=full_name)
        if email is not None:
            await users.update(conn, user.id, email=email)
        await audit.add(conn, actor, "user.update", user.name)

    await core.store.write(work)
    return await by_id(core, user.id)


async def rename(core: Core, actor: Actor, name: str, new_name: str) -> User:
    """Give an account another name; all old addresses redirect and stay reserved."""
    user = await by_name(core, name)
    _require_self_or_admin(actor, user, "rename this account")
    check_free(check_name(new_name, "user"), by_operator=actor.kind is ActorKind.SYSTEM)

    async def work(conn: Connection) -> None:
        await namespaces.rename(conn, user.id, new_name)
        await audit.add(conn, actor, "user.rename", user.name, {"to": new_name})

    await core.store.write(work)
    return await by_id(core, user.id)


async def sign_in(core: Core, seen: Actor, name: str, password: str, user_agent: str) -> SignedIn:
    """Open a browser session; raises ``SignInNeeded`` or ``Busy``."""
    user = await identity.by_password(core, name, password, seen)
    secret = identity.new_token()
    days = core.config.session_days

    async def work(conn: Connection) -> None:
        await sessions.add(
            conn,
            user_id=user.id,
            secret_hash=identity.digest(secret),
            csrf=secrets.token_urlsafe(32),
            expires_at=time.time() + days * 86400,
            address=seen.address,
            user_agent=user_agent[:200],
        )
        await audit.add(conn, seen, "session.open", user.name)

    await core.store.write(work)
    return SignedIn(user, secret, days * 86400)


async def sign_out(core: Core, actor: Actor, secret: str) -> None:
    """End the browser session of this cookie."""

    async def work(conn: Connection) -> None:
        session = await sessions.by_hash(conn, identity.digest(secret))
        if session is not None:
            await sessions.remove(conn, session.user_id, session.id)
            await audit.add(conn, actor, "session.close", actor.name)

    await core.store.write(work)


async def own_sessions(core: Core, actor: Actor) -> Sequence[Session]:
    """The browser sessions of the account."""
    user = await me(core, actor)
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "see your sessions")
    async with core.store.read() as conn:
        return await sessions.for_user(conn, user.id)


async def end_session(core: Core, actor: Actor, session_id: int) -> None:
    """End one of one's own sessions; raises ``NotFound`` unless it is this account's."""
    user = await me(core, actor)
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "end a session")

    async def work(conn: Connection) -> None:
        if not await sessions.remove(conn, user.id, session_id):
            raise NotFound("There is no such session.")
        await audit.add(conn, actor, "session.end", user.name)

    await core.store.write(work)
