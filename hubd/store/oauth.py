"""Owner of the ``oauth_…`` tables: apps, what people let them do, and codes that are good once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema, tokens
from hubd.store.engine import Connection
from hubd.store.rows import S, inserted, labelled, many, now, one, prefixed
from hubd.store.schema_oauth import (
    oauth_apps,
    oauth_codes,
    oauth_devices,
    oauth_grants,
    oauth_refresh,
    oauth_tokens,
)

# What is over is kept so long, to tell a second use from a mistake.
_KEPT_SECONDS = 86400.0


class App(msgspec.Struct, frozen=True):
    """A registered app; without ``secret_hash`` it is a public client."""

    id: int
    namespace_id: int | None
    client_id: str
    name: str
    secret_hash: str | None
    redirect_uris: list[str]
    scopes: list[str]
    created_at: float


class Grant(msgspec.Struct, frozen=True):
    """What a person let an app do."""

    id: int
    app_id: int
    user_id: int
    scopes: list[str]
    created_at: float
    revoked_at: float | None


class Code(msgspec.Struct, frozen=True):
    """An authorization code; ``challenge`` and ``nonce`` are empty where there was none."""

    grant_id: int
    redirect_uri: str
    challenge: str
    nonce: str
    expires_at: float
    used_at: float | None


class Refresh(msgspec.Struct, frozen=True):
    """A refresh token."""

    grant_id: int
    expires_at: float
    used_at: float | None


class Device(msgspec.Struct, frozen=True):
    """A device that waits for its person; with a grant it was let in."""

    user_code: str
    app_id: int
    scopes: list[str]
    grant_id: int | None
    denied_at: float | None
    polled_at: float | None
    expires_at: float


def _columns(table: sa.Table, struct: type[msgspec.Struct]) -> list[sa.ColumnElement[object]]:
    return [table.c[name] for name in struct.__struct_fields__]


_APPS = sa.select(*_columns(oauth_apps, App))
_GRANTS = sa.select(*_columns(oauth_grants, Grant))


async def add_app(
    conn: Connection,
    *,
    namespace_id: int | None,
    client_id: str,
    name: str,
    secret_hash: str | None,
    redirect_uris: Sequence[str],
    scopes: Sequence[str],
) -> int:
    """A new app."""
    values = {
        "namespace_id": namespace_id,
        "client_id": client_id,
        "name": name,
        "secret_hash": secret_hash,
        "redirect_uris": list(redirect_uris),
        "scopes": list(scopes),
        "created_at": now(),
    }
    return inserted(await conn.execute(sa.insert(oauth_apps).values(values)))


async def app(conn: Connection, client_id: str) -> App | None:
    """An app by what it calls itself."""
    found = await conn.execute(_APPS.where(oauth_apps.c.client_id == client_id))
    return one(App, found.first())


async def app_by_id(conn: Connection, app_id: int) -> App | None:
    """An app by its number."""
    return one(App, (await conn.execute(_APPS.where(oauth_apps.c.id == app_id))).first())


async def apps(conn: Connection, namespace_id: int) -> Sequence[App]:
    """The apps of a user or organization, newest first."""
    query = _APPS.where(oauth_apps.c.namespace_id == namespace_id)
    return many(App, await conn.execute(query.order_by(oauth_apps.c.id.desc())))


async def remove_app(conn: Connection, namespace_id: int, app_id: int) -> bool:
    """Forget an app of this namespace, ending all tokens that it got; whether there was one."""
    mine = sa.and_(oauth_apps.c.id == app_id, oauth_apps.c.namespace_id == namespace_id)
    grants = sa.select(oauth_grants.c.id).where(
        oauth_grants.c.app_id.in_(sa.select(oauth_apps.c.id).where(mine))
    )
    await _end_tokens(conn, oauth_tokens.c.grant_id.in_(grants))
    return (await conn.execute(sa.delete(oauth_apps).where(mine))).rowcount > 0


async def add_grant(conn: Connection, app_id: int, user_id: int, scopes: Sequence[str]) -> int:
    """A person let an app in."""
    values = {
        "app_id": app_id,
        "user_id": user_id,
        "scopes": list(scopes),
        "created_at": now(),
    }
    return inserted(await conn.execute(sa.insert(oauth_grants).values(values)))


async def grant(conn: Connection, grant_id: int) -> Grant | None:
    """What was let."""
    return one(Grant, (await conn.execute(_GRANTS.where(oauth_grants.c.id == grant_id))).first())


async def grant_of_token(conn: Connection, token_id: int) -> Grant | None:
    """What an access token came of; None for a token that a person made."""
    query = _GRANTS.join(oauth_tokens, oauth_tokens.c.grant_id == oauth_grants.c.id)
    return one(
        Grant, (await conn.execute(query.where(oauth_tokens.c.token_id == token_id))).first()
    )


async def grants(conn: Connection, user_id: int) -> Sequence[tuple[Grant, App]]:
    """What a person lets apps do now, newest first."""
    query = (
        sa.select(
            *labelled(_columns(oauth_grants, Grant), "g_"),
            *labelled(_columns(oauth_apps, App), "a_"),
        )
        .select_from(sa.join(oauth_grants, oauth_apps, oauth_grants.c.app_id == oauth_apps.c.id))
        .where(oauth_grants.c.user_id == user_id, oauth_grants.c.revoked_at.is_(None))
        .order_by(oauth_grants.c.id.desc())
    )
    rows = await conn.execute(query)
    return [(prefixed(Grant, row, "g_"), prefixed(App, row, "a_")) for row in rows]


async def revoke(conn: Connection, grant_id: int, user_id: int | None = None) -> bool:
    """End a grant (of this person) with all its tokens; whether it was in force."""
    conditions = [oauth_grants.c.id == grant_id, oauth_grants.c.revoked_at.is_(None)]
    if user_id is not None:
        conditions.append(oauth_grants.c.user_id == user_id)
    done = await conn.execute(sa.update(oauth_grants).where(*conditions).values(revoked_at=now()))
    if done.rowcount:
        await _end_tokens(conn, oauth_tokens.c.grant_id == grant_id)
    return done.rowcount > 0


async def _end_tokens(conn: Connection, where: sa.ColumnElement[bool]) -> None:
    ids = sa.select(oauth_tokens.c.token_id).where(where)
    await tokens.revoke_all(conn, [row.token_id for row in await conn.execute(ids)])


async def add_code(
    conn: Connection,
    *,
    secret_hash: str,
    grant_id: int,
    redirect_uri: str,
    challenge: str,
    nonce: str,
    expires_at: float,
) -> None:
    """A code for a grant."""
    values = {
        "secret_hash": secret_hash,
        "grant_id": grant_id,
        "redirect_uri": redirect_uri,
        "challenge": challenge,
        "nonce": nonce,
        "expires_at": expires_at,
    }
    await conn.execute(sa.insert(oauth_codes).values(values))


async def use_code(conn: Connection, secret_hash: str) -> Code | None:
    """A code as it was, marked as used from now on."""
    return await _use(conn, oauth_codes, Code, secret_hash)


async def add_refresh(conn: Connection, secret_hash: str, grant_id: int, expires_at: float) -> None:
    """A refresh token of a grant."""
    values = {"secret_hash": secret_hash, "grant_id": grant_id, "expires_at": expires_at}
    await conn.execute(sa.insert(oauth_refresh).values(values))


async def use_refresh(conn: Connection, secret_hash: str) -> Refresh | None:
    """A refresh token as it was, marked as used from now on."""
    return await _use(conn, oauth_refresh, Refresh, secret_hash)


async def _use(conn: Connection, table: sa.Table, struct: type[S], secret_hash: str) -> S | None:
    query = sa.select(*_columns(table, struct)).where(table.c.secret_hash == secret_hash)
    found = one(struct, (await conn.execute(query)).first())
    unused = sa.and_(table.c.secret_hash == secret_hash, table.c.used_at.is_(None))
    await conn.execute(sa.update(table).where(unused).values(used_at=now()))
    return found


async def add_device(
    conn: Connection,
    *,
    secret_hash: str,
    user_code: str,
    app_id: int,
    scopes: Sequence[str],
    expires_at: float,
) -> None:
    """A device begins to wait; raises ``Conflict`` if the code for people is in use."""
    values = {
        "secret_hash": secret_hash,
        "user_code": user_code,
        "app_id": app_id,
        "scopes": list(scopes),
        "expires_at": expires_at,
    }
    await conn.execute(sa.insert(oauth_devices).values(values))


_DEVICES = sa.select(*_columns(oauth_devices, Device))


async def poll_device(conn: Connection, secret_hash: str) -> Device | None:
    """A device as it was; its asking is remembered."""
    mine = oauth_devices.c.secret_hash == secret_hash
    found = one(Device, (await conn.execute(_DEVICES.where(mine))).first())
    await conn.execute(sa.update(oauth_devices).where(mine).values(polled_at=now()))
    return found


async def waiting_device(conn: Connection, user_code: str) -> Device | None:
    """The device that waits under this code."""
    query = _DEVICES.where(
        oauth_devices.c.user_code == user_code,
        oauth_devices.c.grant_id.is_(None),
        oauth_devices.c.denied_at.is_(None),
        oauth_devices.c.expires_at > now(),
    )
    return one(Device, (await conn.execute(query)).first())


async def answer_device(conn: Connection, user_code: str, grant_id: int | None) -> None:
    """Let the device in with a grant, or not."""
    values = {"grant_id": grant_id} if grant_id is not None else {"denied_at": now()}
    query = sa.update(oauth_devices).where(oauth_devices.c.user_code == user_code)
    await conn.execute(query.values(values))


async def remove_device(conn: Connection, secret_hash: str) -> bool:
    """It has its answer; whether it was still there to be asked."""
    mine = oauth_devices.c.secret_hash == secret_hash
    return (await conn.execute(sa.delete(oauth_devices).where(mine))).rowcount > 0


async def link_token(conn: Connection, token_id: int, grant_id: int) -> None:
    """A token came of a grant."""
    await conn.execute(sa.insert(oauth_tokens).values(token_id=token_id, grant_id=grant_id))


async def grant_of_secret(conn: Connection, secret_hash: str) -> int | None:
    """The grant that a refresh token or an access token came of."""
    query = sa.union(
        sa.select(oauth_refresh.c.grant_id).where(oauth_refresh.c.secret_hash == secret_hash),
        sa.select(oauth_tokens.c.grant_id)
        .join(schema.tokens, schema.tokens.c.id == oauth_tokens.c.token_id)
        .where(schema.tokens.c.secret_hash == secret_hash),
    )
    found = (await conn.execute(query)).scalar()
    return None if found is None else int(found)


async def sweep(conn: Connection) -> None:
    """Forget what has long been over."""
    for table in (oauth_codes, oauth_refresh, oauth_devices):
        await conn.execute(sa.delete(table).where(table.c.expires_at <= now() - _KEPT_SECONDS))
