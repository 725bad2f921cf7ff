"""What model files say, and apps that people sign in to."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# What clients of the Hub call themselves when somebody types "hf auth login".
CLI_CLIENT = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
CLI_SCOPES = "openid profile email read-repos write-repos manage-repos write-discussions"


def _to(column: str, target: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [target], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
    )


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def upgrade() -> None:
    _models()
    _apps()
    _secrets()


def _models() -> None:
    # They are read anew when lists are asked for, and say more now.
    op.execute("DELETE FROM cards")
    op.create_table(
        "model_facts",
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("oid", "kind", name=op.f("pk_model_facts")),
    )


def _apps() -> None:
    apps = op.create_table(
        "oauth_apps",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("namespace_id", BIG_ID),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.String(length=64)),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        _to("namespace_id", "namespaces.id", "oauth_apps"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_apps")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_apps_client_id")),
        sqlite_autoincrement=True,
    )
    _index("oauth_apps", "namespace_id")
    op.bulk_insert(
        apps,
        [
            {
                "client_id": CLI_CLIENT,
                "name": "hf auth login",
                "redirect_uris": [],
                "scopes": CLI_SCOPES.split(),
                "created_at": time.time(),
            }
        ],
    )
    op.create_table(
        "oauth_grants",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("app_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        _to("app_id", "oauth_apps.id", "oauth_grants"),
        _to("user_id", "users.id", "oauth_grants"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_grants")),
        sqlite_autoincrement=True,
    )
    _index("oauth_grants", "app_id", "user_id")
    op.create_table(
        "oauth_tokens",
        sa.Column("token_id", BIG_ID, nullable=False),
        sa.Column("grant_id", BIG_ID, nullable=False),
        _to("token_id", "tokens.id", "oauth_tokens"),
        _to("grant_id", "oauth_grants.id", "oauth_tokens"),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_oauth_tokens")),
    )
    _index("oauth_tokens", "grant_id")


def _secrets() -> None:
    op.create_table(
        "oauth_codes",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("grant_id", BIG_ID, nullable=False),
        sa.Column("redirect_uri", sa.String(length=2000), nullable=False),
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=500), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        _to("grant_id", "oauth_grants.id", "oauth_codes"),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_oauth_codes")),
    )
    _index("oauth_codes", "grant_id", "expires_at")
    op.create_table(
        "oauth_refresh",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("grant_id", BIG_ID, nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        _to("grant_id", "oauth_grants.id", "oauth_refresh"),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_oauth_refresh")),
    )
    _index("oauth_refresh", "grant_id", "expires_at")
    op.create_table(
        "oauth_devices",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("user_code", sa.String(length=16), nullable=False),
        sa.Column("app_id", BIG_ID, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("grant_id", BIG_ID),
        sa.Column("denied_at", sa.Double()),
        sa.Column("polled_at", sa.Double()),
        sa.Column("expires_at", sa.Double(), nullable=False),
        _to("app_id", "oauth_apps.id", "oauth_devices"),
        _to("grant_id", "oauth_grants.id", "oauth_devices"),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_oauth_devices")),
        sa.UniqueConstraint("user_code", name=op.f("uq_oauth_devices_user_code")),
    )
    _index("oauth_devices", "app_id", "grant_id", "expires_at")
