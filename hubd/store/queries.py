"""Reads over several tables; nothing here writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.names import fold_name
from hubd.store import cards, keys, likes, repos, schema, schema_social, sessions, tokens, users
from hubd.store.engine import Connection
from hubd.store.keys import Key
from hubd.store.repos import Repo
from hubd.store.rows import labelled, many, one, prefixed
from hubd.store.sessions import Session
from hubd.store.tokens import Token
from hubd.store.users import User
from hubd.types import Gate, RepoRef, RepoType, RequestState, Role, Wanted

_ns = schema.namespaces
_repos = schema.repos


class RepoAccess(msgspec.Struct, frozen=True):
    """A repository, the asker's role on it and request for its files, and whether it has moved."""

    repo: Repo
    role: Role
    moved: bool
    request: RequestState | None = None


def _accounts(extra: sa.Table, columns: list[sa.ColumnElement[object]]) -> sa.Select[Any]:
    """Rows of a table of credentials with their owners, by the digest of the secret."""
    source = sa.join(schema.users, _ns, schema.users.c.id == _ns.c.id)
    source = sa.join(extra, source, extra.c.user_id == schema.users.c.id)
    return (
        sa.select(*labelled(users.columns(), "u_"), *labelled(columns, "x_"))
        .select_from(source)
        .where(extra.c.secret_hash == sa.bindparam("secret_hash"))
    )


# What every request asks is built once: building it anew takes longer than asking.
_BY_TOKEN = _accounts(schema.tokens, tokens.columns())
_BY_SESSION = _accounts(schema.sessions, sessions.columns())


async def credential_by_token(conn: Connection, secret_hash: str) -> tuple[Token, User] | None:
    """A token and its owner, valid or not."""
    row = (await conn.execute(_BY_TOKEN, {"secret_hash": secret_hash})).first()
    return None if row is None else (prefixed(Token, row, "x_"), prefixed(User, row, "u_"))


async def session_user(conn: Connection, secret_hash: str) -> tuple[Session, User] | None:
    """A browser session and its owner, live or not."""
    row = (await conn.execute(_BY_SESSION, {"secret_hash": secret_hash})).first()
    return None if row is None else (prefixed(Session, row, "x_"), prefixed(User, row, "u_"))


_BY_KEY = (
    sa.select(*labelled(keys.columns(), "k_"), *labelled(users.columns(), "u_"))
    .select_from(
        sa.outerjoin(
            schema.ssh_keys,
            sa.join(schema.users, _ns, schema.users.c.id == _ns.c.id),
            schema.ssh_keys.c.user_id == schema.users.c.id,
        )
    )
    .where(schema.ssh_keys.c.fingerprint == sa.bindparam("fingerprint"))
)


async def account_by_key(conn: Connection, fingerprint: str) -> tuple[Key, User | None] | None:
    """An SSH key and its owner; a deploy key has none."""
    row = (await conn.execute(_BY_KEY, {"fingerprint": fingerprint})).first()
    if row is None:
        return None
    key = prefixed(Key, row, "k_")
    return key, None if key.user_id is None else prefixed(User, row, "u_")


def role_column(user_id: int | sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """An account's own role on a row of ``repos``: owner, member or collaborator, the highest."""
    member = (
        sa.select(schema.org_members.c.role)
        .where(
            schema.org_members.c.org_id == _repos.c.namespace_id,
            schema.org_members.c.user_id == user_id,
        )
        .scalar_subquery()
    )
    guest = (
        sa.select(schema.collaborators.c.role)
        .where(
            schema.collaborators.c.repo_id == _repos.c.id,
            schema.collaborators.c.user_id == user_id,
        )
        .scalar_subquery()
    )
    first, second = sa.func.coalesce(member, 0), sa.func.coalesce(guest, 0)
    return sa.case(
        (_repos.c.namespace_id == user_id, Role.ADMIN.value),
        (first > second, first),
        else_=second,
    )


def request_column(user_id: int | sa.BindParameter[int]) -> sa.ColumnElement[str | None]:
    """Where an account's request for the files of a row of ``repos`` stands; NULL: none."""
    requests = schema_social.access_requests
    return (
        sa.select(requests.c.state)
        .where(requests.c.repo_id == _repos.c.id, requests.c.user_id == user_id)
        .scalar_subquery()
    )


def _repo_access() -> sa.Executable:
    """A repository by its address, present or former, with an account's role; one statement."""
    fold: sa.BindParameter[str] = sa.bindparam("namespace")
    name: sa.BindParameter[str] = sa.bindparam("name")
    redirect, moved = schema.namespace_redirects, schema.repo_redirects
    owner = sa.select(_ns.c.id).where(
        sa.or_(
            _ns.c.name_fold == fold,
            _ns.c.id
            == sa.select(redirect.c.namespace_id)
            .where(redirect.c.name_fold == fold)
            .scalar_subquery(),
        )
    )
    by_redirect = sa.select(moved.c.repo_id).where(
        moved.c.type == sa.bindparam("type"),
        moved.c.namespace_id.in_(owner),
        moved.c.name_fold == name,
    )
    direct = sa.and_(_repos.c.namespace_id.in_(owner), _repos.c.name_fold == name)
    return (
        sa.select(
            *repos.columns(),
            role_column(sa.bindparam("user", type_=sa.BigInteger)).label("role"),
            request_column(sa.bindparam("user", type_=sa.BigInteger)).label("request"),
            sa.case((sa.and_(direct, _ns.c.name_fold == fold), 0), else_=1).label("moved"),
        )
        .select_from(repos.JOIN)
        .where(
            _repos.c.type == sa.bindparam("type"),
            _repos.c.deleted_at.is_(None),
            sa.or_(direct, _repos.c.id.in_(by_redirect)),
        )
        .order_by(sa.text("moved"))
        .limit(1)
    )


_REPO_ACCESS = _repo_access()
# Ids count from one; unlike NULL this is an operand that compares.
_NOBODY = 0


async def repo_access(conn: Connection, ref: RepoRef, user_id: int | None) -> RepoAccess | None:
    """A repository by its address, present or former, with the account's role; one statement."""
    values = {
        "namespace": fold_name(ref.namespace),
        "name": fold_name(ref.name),
        "type": ref.type.value,
        "user": _NOBODY if user_id is None else user_id,
    }
    row = (await conn.execute(_REPO_ACCESS, values)).first()
    repo = one(Repo, row)
    if repo is None or row is None:
        return None
    request = None if row.request is None else RequestState(row.request)
    return RepoAccess(repo, Role(row.role), bool(row.moved), request)


async def repo_access_by_id(conn: Connection, repo_id: int, user_id: int) -> RepoAccess | None:
    """As ``repo_access``, of a repository that is known, in the trash or not."""
    query = sa.select(
        *repos.columns(),
        role_column(user_id).label("role"),
        request_column(user_id).label("request"),
    )
    row = (await conn.execute(query.select_from(repos.JOIN).where(_repos.c.id == repo_id))).first()
    repo = one(Repo, row)
    if repo is None or row is None:
        return None
    request = None if row.request is None else RequestState(row.request)
    return RepoAccess(repo, Role(row.role), moved=False, request=request)


async def namespace_role(conn: Connection, namespace_id: int, user_id: int | None) -> Role:
    """An account's role in a namespace."""
    if user_id is None:
        return Role.NONE
    if namespace_id == user_id:
        return Role.ADMIN
    members = schema.org_members
    found = await conn.execute(
        sa.select(members.c.role).where(
            members.c.org_id == namespace_id, members.c.user_id == user_id
        )
    )
    return Role(found.scalar_one_or_none() or 0)


async def visible_repos(
    conn: Connection,
    visible: sa.ColumnElement[bool],
    wanted: Wanted,
    *,
    namespace_id: int | None = None,
    sort: str = "updated",
    after: str | None = None,
    limit: int = 50,
) -> tuple[list[Repo], str | None]:
    """A page of repositories under a predicate, and the mark of the next page.

    ``sort`` is ``name``, or ``updated``, ``created`` or ``likes``, highest first; the mark is how
    many come before the next page.
    """
    rules = _rules(wanted, namespace_id)
    query = sa.select(*repos.columns()).select_from(repos.JOIN).where(visible, *rules)
    offset = int(after) if after is not None and after.isdigit() else 0
    found = many(
        Repo, await conn.execute(query.order_by(*_order(sort)).offset(offset).limit(limit + 1))
    )
    mark = str(offset + limit) if len(found) > limit else None
    return found[:limit], mark


async def visible_count(
    conn: Connection,
    visible: sa.ColumnElement[bool],
    wanted: Wanted,
    *,
    namespace_id: int | None = None,
) -> int:
    """How many repositories all pages of ``visible_repos`` have."""
    rules = _rules(wanted, namespace_id)
    query = sa.select(sa.func.count()).select_from(repos.JOIN).where(visible, *rules)
    return int((await conn.execute(query)).scalar_one())


def _rules(wanted: Wanted, namespace_id: int | None) -> list[sa.ColumnElement[bool]]:
    rules = [cards.tagged(tag) for tag in wanted.tags]
    if wanted.type is not None:
        rules.append(_repos.c.type == wanted.type.value)
    if namespace_id is not None:
        rules.append(_repos.c.namespace_id == namespace_id)
    if wanted.parameters is not None:
        rules.append(cards.sized(*wanted.parameters))
    if wanted.gated is not None:
        rules.append((_repos.c.gate != Gate.OFF.value) == wanted.gated)
    full_name = _ns.c.name_fold + "/" + _repos.c.name_fold
    about = sa.func.lower(_repos.c.description)
    rules += [
        sa.or_(
            full_name.contains(word, autoescape=True),
            about.contains(word, autoescape=True),
            cards.tagged_like(word),
        )
        for word in wanted.search.lower().split()[:8]
    ]
    return rules


def _order(sort: str) -> Sequence[sa.ColumnElement[Any]]:
    if sort == "name":
        return (_ns.c.name_fold, _repos.c.name_fold, _repos.c.id)
    columns: dict[str, sa.ColumnElement[Any]] = {
        "created": _repos.c.created_at,
        "likes": likes.count_column(),
    }
    return (columns.get(sort, _repos.c.updated_at).desc(), _repos.c.id.desc())


async def repo_counts(
    conn: Connection, visible: sa.ColumnElement[bool], namespace_id: int
) -> dict[RepoType, int]:
    """How many repositories of each type a namespace has, of those under a predicate."""
    query = (
        sa.select(_repos.c.type, sa.func.count().label("number"))
        .where(visible, _repos.c.namespace_id == namespace_id)
        .group_by(_repos.c.type)
    )
    return {RepoType(row.type): int(row.number) for row in await conn.execute(query)}


async def namespace_names(conn: Connection, ids: Collection[int]) -> dict[int, str]:
    """The names of namespaces by id."""
    found = await conn.execute(sa.select(_ns.c.id, _ns.c.name).where(_ns.c.id.in_(ids)))
    return {int(row.id): str(row.name) for row in found}


async def repo_paths(
    conn: Connection, visible: sa.ColumnElement[bool], ids: Collection[int]
) -> dict[int, str]:
    """The addresses by id of repositories under a predicate."""
    query = sa.select(*repos.columns()).select_from(repos.JOIN).where(visible, _repos.c.id.in_(ids))
    return {repo.id: repo.ref.path for repo in many(Repo, await conn.execute(query))}


class LargeFile(msgspec.Struct, frozen=True):
    """A stored file of a repository; ``uploader`` is None for one that is gone."""

    oid: str
    size: int
    created_at: float
    uploader: str | None
    repo: Repo


async def large_files(
    conn: Connection, visible: sa.ColumnElement[bool], where: Mapping[str, int], limit: int
) -> list[LargeFile]:
    """The largest files of repositories under a predicate; ``where``: columns of ``repos``."""
    links, people = schema.object_links, _ns.alias("people")
    source = sa.join(repos.JOIN, links, links.c.repo_id == _repos.c.id)
    query = (
        sa.select(
            links.c.oid,
            links.c.size,
            links.c.created_at.label("stored_at"),
            people.c.name.label("uploader"),
            *labelled(list(repos.columns()), "r_"),
        )
        .select_from(sa.outerjoin(source, people, people.c.id == links.c.user_id))
        .where(visible, *(_repos.c[name] == value for name, value in where.items()))
        .order_by(links.c.size.desc(), links.c.oid)
        .limit(limit)
    )
    return [
        LargeFile(
            str(row.oid), int(row.size), row.stored_at, row.uploader, prefixed(Repo, row, "r_")
        )
        for row in await conn.execute(query)
    ]


async def repo_sizes(
    conn: Connection, visible: sa.ColumnElement[bool], namespace_id: int
) -> list[tuple[Repo, int]]:
    """A namespace's repositories under a predicate, with the bytes of the large files of each."""
    links = schema.object_links
    large = (
        sa.select(sa.func.coalesce(sa.func.sum(links.c.size), 0))
        .where(links.c.repo_id == _repos.c.id)
        .scalar_subquery()
    )
    query = (
        sa.select(*labelled(list(repos.columns()), "r_"), large.label("large"))
        .select_from(repos.JOIN)
        .where(visible, _repos.c.namespace_id == namespace_id)
        .order_by(_repos.c.id)
    )
    return [(prefixed(Repo, row, "r_"), int(row.large)) for row in await conn.execute(query)]


class Holding(msgspec.Struct, frozen=True):
    """What a namespace has: bytes and files, each file once a repository."""

    namespace: str
    bytes: int
    objects: int


async def holdings(conn: Connection, limit: int = 50) -> list[Holding]:
    """The namespaces that have most, the trash included."""
    links, payer = schema.object_links, schema.namespaces.alias("payer")
    total = sa.func.sum(links.c.size)
    query = (
        sa.select(
            payer.c.name.label("namespace"),
            sa.func.coalesce(total, 0).label("bytes"),
            sa.func.count().label("objects"),
        )
        .select_from(sa.join(links, _repos, links.c.repo_id == _repos.c.id))
        .join(payer, payer.c.id == sa.func.coalesce(links.c.charged_to, _repos.c.namespace_id))
        .group_by(payer.c.name)
        .order_by(total.desc(), payer.c.name)
        .limit(limit)
    )
    return [
        Holding(str(row.namespace), int(row.bytes), int(row.objects))
        for row in await conn.execute(query)
    ]


async def repos_with_objects(conn: Connection, oids: Collection[str]) -> dict[str, list[str]]:
    """The addresses, by object, of the repositories that have these."""
    links = schema.object_links
    query = (
        sa.select(links.c.oid, *labelled(list(repos.columns()), "r_"))
        .select_from(sa.join(repos.JOIN, links, links.c.repo_id == _repos.c.id))
        .where(links.c.oid.in_(oids))
        .order_by(links.c.oid, _repos.c.id)
    )
    found: dict[str, list[str]] = {}
    for row in await conn.execute(query):
        found.setdefault(str(row.oid), []).append(prefixed(Repo, row, "r_").ref.path)
    return found


class Verdict(msgspec.Struct, frozen=True):
    """What somebody said last of a pull request's commits up to one, and their role now."""

    author: str
    verdict: str
    commit: str
    role: Role


async def verdicts(conn: Connection, discussion_id: int) -> Sequence[Verdict]:
    """The last verdict of each person, oldest first; the hub's administrators have own roles."""
    said, talks = schema.discussion_events, schema.discussions
    last = (
        sa.select(sa.func.max(said.c.id))
        .where(said.c.discussion_id == discussion_id, said.c.kind == "review")
        .group_by(said.c.author_id)
    )
    query = (
        sa.select(_ns.c.name.label("author"), said.c.data, role_column(said.c.author_id))
        .select_from(said)
        .join(talks, talks.c.id == said.c.discussion_id)
        .join(_repos, _repos.c.id == talks.c.repo_id)
        .join(_ns, _ns.c.id == said.c.author_id)
        .where(said.c.id.in_(last))
        .order_by(said.c.id)
    )
    rows = await conn.execute(query)
    return [
        Verdict(author, data["verdict"], data["commit"], Role(role)) for author, data, role in rows
    ]
