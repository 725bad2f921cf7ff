"""The answers of the Hub's API as typed structs; a field that is UNSET is not sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

from hubd.core.browse import CommitInfo
from hubd.core.entries import Entry
from hubd.core.rows import Namespace
from hubd.errors import NotFound
from hubd.http.api.shapes import readable
from hubd.lfs import pointers
from hubd.types import Gate

AVATAR = "/favicon.ico"
# No row's number has more digits.
_ROW_ID = re.compile(r"0*[0-9a-f]{1,13}")


class Shape(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """What the hub answers."""


class LfsInfo(Shape, frozen=True, kw_only=True):
    """The large file behind a pointer: its SHA-256 and sizes in bytes."""

    oid: str
    size: int
    pointer_size: int


class LastCommit(Shape, frozen=True, kw_only=True):
    """The commit that touched an entry last."""

    id: str
    title: str
    date: str


class Security(Shape, frozen=True, kw_only=True):
    """Nothing has scanned the file yet."""

    status: str = "unscanned"
    av_scan: None = None
    pickle_import_scan: None = None


class TreeEntry(Shape, frozen=True, kw_only=True):
    """A file or folder of a listing."""

    type: str
    oid: str
    size: int
    path: str
    lfs: LfsInfo | UnsetType = UNSET
    xet_hash: str | UnsetType = UNSET
    last_commit: LastCommit | UnsetType | None = UNSET
    security_file_status: Security | UnsetType = UNSET


class SiblingLfs(Shape, frozen=True, kw_only=True):
    """A sibling's large file."""

    sha256: str
    size: int
    pointer_size: int


class Sibling(Shape, frozen=True, kw_only=True):
    """A file of a repository, by its path."""

    rfilename: str
    size: int | UnsetType = UNSET
    blob_id: str | UnsetType = UNSET
    lfs: SiblingLfs | UnsetType = UNSET


class Author(Shape, frozen=True, kw_only=True):
    """Whom a commit names."""

    user: str
    avatar: str = AVATAR


class Formatted(Shape, frozen=True, kw_only=True):
    """A commit's text as HTML."""

    title: str
    message: str


class Commit(Shape, frozen=True, kw_only=True):
    """A commit of a history."""

    id: str
    title: str
    message: str
    date: str
    authors: list[Author]
    formatted: Formatted | UnsetType = UNSET


class Ref(Shape, frozen=True, kw_only=True):
    """A branch, tag, conversion or pull request."""

    name: str
    ref: str
    target_commit: str


class Refs(Shape, frozen=True, kw_only=True):
    """All refs of a repository."""

    branches: list[Ref]
    converts: list[Ref]
    tags: list[Ref]
    pull_requests: list[Ref] | UnsetType = UNSET


class RepoCreated(Shape, frozen=True, kw_only=True):
    """Where a repository is."""

    url: str
    name: str
    id: str


class Committed(Shape, frozen=True, kw_only=True):
    """What a commit did."""

    success: bool = True
    commit_oid: str
    commit_url: str
    hook_output: str = ""
    pull_request_url: str | UnsetType = UNSET


class UploadMode(Shape, frozen=True, kw_only=True):
    """How a file is to be sent; ``oid`` is what is there now."""

    path: str
    upload_mode: str
    should_ignore: bool
    oid: str | UnsetType = UNSET


class Preupload(Shape, frozen=True, kw_only=True):
    """How files are to be sent."""

    files: list[UploadMode]
    commit_oid: str | UnsetType = UNSET


class Person(Shape, frozen=True, kw_only=True):
    """A user in a list."""

    user: str
    fullname: str
    avatar_url: str = AVATAR
    is_pro: bool = False
    type: str = "user"


class RepoStorage(Shape, frozen=True, kw_only=True):
    """What a repository takes; ``storage`` in bytes."""

    id: str
    type: str
    updated_at: str
    visibility: str
    storage: int
    storage_percent: float


class OrgOf(Shape, frozen=True, kw_only=True):
    """An organization that somebody belongs to."""

    type: str = "org"
    id: str
    name: str
    fullname: str
    email: None = None
    avatar_url: str = AVATAR
    is_enterprise: bool = False
    role_in_org: str


class AccessToken(Shape, frozen=True, kw_only=True):
    """The token that a request came with."""

    display_name: str
    role: str
    created_at: str


class Auth(Shape, frozen=True, kw_only=True):
    """By what somebody is known."""

    type: str = "access_token"
    access_token: AccessToken | UnsetType = UNSET


class WhoAmI(Shape, frozen=True, kw_only=True):
    """The account behind a token."""

    type: str = "user"
    id: str
    name: str
    fullname: str
    email: str | None
    email_verified: bool = True
    is_pro: bool = False
    can_pay: bool = False
    avatar_url: str = AVATAR
    period_end: None = None
    orgs: list[OrgOf]
    auth: Auth


class UserOverview(Shape, frozen=True, kw_only=True):
    """What is shown of a user."""

    id: str = field(name="_id")
    user: str
    fullname: str
    avatar_url: str = AVATAR
    is_pro: bool = False
    type: str = "user"
    num_models: int
    num_datasets: int
    num_spaces: int
    num_discussions: int = 0
    num_papers: int = 0
    num_upvotes: int = 0
    num_likes: int
    num_following: int = 0
    num_followers: int = 0
    is_following: bool = False
    created_at: str
    orgs: list[Any]


class OrgOverview(Shape, frozen=True, kw_only=True):
    """What is shown of an organization."""

    id: str = field(name="_id")
    name: str
    fullname: str
    avatar_url: str = AVATAR
    details: str = ""
    is_verified: bool = False
    is_following: bool = False
    type: str = "org"
    num_users: int
    num_models: int
    num_datasets: int
    num_spaces: int
    num_followers: int = 0


class LikedRepo(Shape, frozen=True, kw_only=True):
    """A repository that somebody likes."""

    repo: dict[str, str]
    created_at: str


class Tag(Shape, frozen=True, kw_only=True):
    """A tag that repositories have."""

    id: str
    label: str
    type: str


def when(at: float) -> str:
    """Epoch seconds as the clients parse them: ISO 8601, UTC, milliseconds."""
    return (
        datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        + "Z"
    )


def number_of(text: str) -> int:
    """The number behind an id as the clients know it; raises ``NotFound``."""
    if not _ROW_ID.fullmatch(text):
        raise NotFound("There is no such id.")
    return int(text, 16)


def gated(gate: Gate) -> str | bool:
    """A gate as the clients know it."""
    return False if gate is Gate.OFF else gate.value


def last_commit(commit: CommitInfo) -> LastCommit:
    """A commit in short."""
    return LastCommit(id=commit.oid, title=commit.subject, date=when(commit.committer.time))


def tree_entry(entry: Entry, chunked: Mapping[str, str], *, expand: bool = False) -> TreeEntry:
    """An entry of a listing; ``chunked`` are hashes for Xet clients by SHA-256."""
    lfs: LfsInfo | UnsetType = UNSET
    xet_hash: str | UnsetType = UNSET
    if entry.lfs is not None:
        size = len(pointers.render(entry.lfs))
        lfs = LfsInfo(oid=entry.lfs.oid, size=entry.lfs.size, pointer_size=size)
        xet_hash = chunked.get(entry.lfs.oid, UNSET)
    last: LastCommit | UnsetType | None = UNSET
    if expand:
        last = None if entry.last is None else last_commit(entry.last)
    return TreeEntry(
        type="directory" if entry.is_folder else "file",
        oid=entry.oid,
        size=entry.size or 0,
        path=readable(entry.path),
        lfs=lfs,
        xet_hash=xet_hash,
        last_commit=last,
        security_file_status=Security() if expand and not entry.is_folder else UNSET,
    )


def sibling(entry: Entry, *, blobs: bool) -> Sibling:
    """A file in a repository's info."""
    if not blobs:
        return Sibling(rfilename=readable(entry.path))
    lfs: SiblingLfs | UnsetType = UNSET
    if entry.lfs is not None:
        size = len(pointers.render(entry.lfs))
        lfs = SiblingLfs(sha256=entry.lfs.oid, size=entry.lfs.size, pointer_size=size)
    return Sibling(rfilename=readable(entry.path), size=entry.size or 0, blob_id=entry.oid, lfs=lfs)


def shown_name(namespace: Namespace) -> str:
    """The name for people."""
    return namespace.full_name or namespace.name
