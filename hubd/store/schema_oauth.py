"""Tables of apps that people sign in to with this hub; the rest of the schema is ``schema``."""

from __future__ import annotations

import sqlalchemy as sa

from hubd.store.schema import _BigId, _id, _Time, _to, metadata

# No owner: it came with the hub. No secret: it runs where everybody can read it.
oauth_apps = sa.Table(
    "oauth_apps",
    metadata,
    _id(),
    _to("namespace_id", "namespaces.id", null=True, index=True),
    sa.Column("client_id", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("secret_hash", sa.String(64)),
    sa.Column("redirect_uris", sa.JSON, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sqlite_autoincrement=True,
)

# What a person let an app do, once; all tokens that follow end with it.
oauth_grants = sa.Table(
    "oauth_grants",
    metadata,
    _id(),
    _to("app_id", "oauth_apps.id", index=True),
    _to("user_id", "users.id", index=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("revoked_at", _Time),
    sqlite_autoincrement=True,
)

oauth_codes = sa.Table(
    "oauth_codes",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    _to("grant_id", "oauth_grants.id", index=True),
    sa.Column("redirect_uri", sa.String(2000), nullable=False),
    sa.Column("challenge", sa.String(64), nullable=False),
    sa.Column("nonce", sa.String(500), nullable=False),
    sa.Column("expires_at", _Time, nullable=False, index=True),
    sa.Column("used_at", _Time),
)

oauth_refresh = sa.Table(
    "oauth_refresh",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    _to("grant_id", "oauth_grants.id", index=True),
    sa.Column("expires_at", _Time, nullable=False, index=True),
    sa.Column("used_at", _Time),
)

oauth_devices = sa.Table(
    "oauth_devices",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    sa.Column("user_code", sa.String(16), nullable=False, unique=True),
    _to("app_id", "oauth_apps.id", index=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    _to("grant_id", "oauth_grants.id", null=True, index=True),
    sa.Column("denied_at", _Time),
    sa.Column("polled_at", _Time),
    sa.Column("expires_at", _Time, nullable=False, index=True),
)

# Which tokens came of a grant.
oauth_tokens = sa.Table(
    "oauth_tokens",
    metadata,
    sa.Column("token_id", _BigId, sa.ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    _to("grant_id", "oauth_grants.id", index=True),
)
