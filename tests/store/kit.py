"""Rows that tests of owners need."""

from __future__ import annotations

from hubd.store import namespaces, repos, users
from hubd.store.engine import Connection, Store
from hubd.types import RepoType, Visibility


async def add_user(store: Store, name: str, email: str | None = None) -> int:
    """An account; its id."""

    async def work(conn: Connection) -> int:
        user_id = await namespaces.add(
            conn, kind="user", name=name, full_name="", default_visibility=Visibility.PUBLIC
        )
        await users.add(
            conn,
            id=user_id,
            email=email,
            password_hash=None,
            is_admin=False,
            must_change_password=False,
        )
        return user_id

    return await store.write(work)


async def add_repo(
    store: Store, owner: int, name: str, visibility: Visibility = Visibility.PUBLIC
) -> int:
    """A repository; its id."""
    return await store.write(
        lambda conn: repos.add(
            conn,
            type=RepoType.MODEL,
            namespace_id=owner,
            name=name,
            visibility=visibility,
            default_branch="main",
            object_format="sha1",
            created_by=owner,
        )
    )
