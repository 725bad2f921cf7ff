"""Room: what a namespace and a repository may hold, and what the disk still has."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager

import msgspec

from hubd import access
from hubd.errors import Invalid, QuotaExceeded, Unavailable
from hubd.lfs.context import Lfs
from hubd.store import objects, queries, quotas, users
from hubd.store.engine import Connection
from hubd.store.objects import Usage
from hubd.store.repos import Repo
from hubd.types import Actor, ActorKind, RepoAction

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_FACTORS: dict[str, int] = {"": 1, **{letter: int(1000**n) for n, letter in enumerate("KMGTP", 1)}}
_FACTORS |= {f"{letter}i": int(1024**n) for n, letter in enumerate("KMGTP", 1)}


class Limits(msgspec.Struct, frozen=True):
    """At most so many bytes and files; None: no limit."""

    bytes: int | None
    objects: int | None


_UNLIMITED = Limits(None, None)


class Room(msgspec.Struct, frozen=True):
    """What is used, and the limits; None: no limit. Sizes in bytes."""

    used: Usage
    bytes: int | None
    objects: int | None

    def require(self, size: int, count: int, whose: str) -> None:
        """Raise ``QuotaExceeded`` unless so much more fits."""
        if self.bytes is not None and self.used.bytes + size > self.bytes:
            text = (
                f"{whose} holds {human(self.used.bytes)} of {human(self.bytes)};"
                f" {human(size)} more do not fit."
            )
            raise QuotaExceeded(text, hint="Delete something or ask for a larger quota.")
        if self.objects is not None and self.used.objects + count > self.objects:
            text = (
                f"{whose} has {self.used.objects} of {self.objects} large files; {count} more do"
                " not fit."
            )
            raise QuotaExceeded(text, hint="Delete something or ask for a larger quota.")


async def rooms(lfs: Lfs, conn: Connection, repo: Repo) -> tuple[Room, Room]:
    """The room of the repository's namespace, and of the repository."""
    of_namespace, of_repo = await quotas.of(conn, repo.namespace_id, repo.id)
    limits = _of_repo(lfs, of_repo)
    return await namespace_room(lfs, conn, repo.namespace_id, of_namespace), Room(
        await objects.usage_of_repo(conn, repo.id), limits.bytes, limits.objects
    )


async def namespace_room(
    lfs: Lfs, conn: Connection, namespace_id: int, own: quotas.Quota | None
) -> Room:
    """The room of a namespace, given the limits set for it."""
    limits = _of_namespace(lfs, own)
    used = await objects.usage_of_namespace(conn, namespace_id)
    return Room(used, limits.bytes, limits.objects)


def _of_namespace(lfs: Lfs, own: quotas.Quota | None) -> Limits:
    if own:
        return Limits(own.bytes, own.objects)
    return Limits(
        lfs.config.quota_namespace_bytes or None, lfs.config.quota_namespace_objects or None
    )


def _of_repo(lfs: Lfs, own: quotas.Quota | None) -> Limits:
    if own:
        return Limits(own.bytes, own.objects)
    return Limits(lfs.config.quota_repo_bytes or None, lfs.config.quota_repo_objects or None)


async def payer(lfs: Lfs, repo: Repo, user_id: int | None) -> int | None:
    """Who pays for what this account uploads; None: the repository and its namespace do.

    Who may not push uploads for pull requests, out of his own quota until they are merged
    (decision 8).
    """
    if user_id is None or user_id == repo.namespace_id:
        return None
    async with lfs.store.read() as conn:
        found = await queries.repo_access_by_id(conn, repo.id, user_id)
        user = await users.by_id(conn, user_id)
    if found is None or user is None:
        return None
    actor = Actor(kind=ActorKind.USER, user_id=user_id, is_site_admin=user.is_admin)
    verdict = access.decide(actor, RepoAction.PUSH, access.repo_facts(found))
    return None if verdict is access.Verdict.ALLOW else user_id


async def require_room_for_guest(lfs: Lfs, repo: Repo, user_id: int) -> None:
    """Raise ``QuotaExceeded`` unless the repository could pay for what this account brought."""
    async with lfs.store.read() as conn:
        used = await objects.usage_of_guest(conn, repo.id, user_id)
        if used.objects:
            await require_room(lfs, conn, repo, used.bytes, used.objects)


def one_at_a_time(
    lfs: Lfs, repo: Repo, payer: int | None = None
) -> AbstractAsyncContextManager[None]:
    """Nobody else fills the namespace that pays meanwhile.

    A transaction alone does not see to that everywhere: on PostgreSQL two of them may each find
    the last free place.
    """
    return lfs.locks.hold(f"namespace {payer or repo.namespace_id}")


async def require_room(
    lfs: Lfs,
    conn: Connection,
    repo: Repo,
    size: int,
    count: int = 1,
    *,
    payer: int | None = None,
) -> None:
    """Raise ``QuotaExceeded`` unless the repository, or who pays in its place, has so much room."""
    # What is used is a sum over all objects: not asked for where there is no limit.
    of_namespace, of_repo = await quotas.of(conn, payer or repo.namespace_id, repo.id)
    if _of_namespace(lfs, of_namespace) != _UNLIMITED:
        room = await namespace_room(lfs, conn, payer or repo.namespace_id, of_namespace)
        whose = f"The namespace {repo.namespace}" if payer is None else "Your own namespace"
        room.require(size, count, whose)
    limits = _of_repo(lfs, of_repo)
    if payer is None and limits != _UNLIMITED:
        used = await objects.usage_of_repo(conn, repo.id)
        room = Room(used, limits.bytes, limits.objects)
        room.require(size, count, f"The repository {repo.ref.repo_id}")


async def require_disk(lfs: Lfs, size: int) -> None:
    """Raise ``Unavailable`` when so many bytes would fill the disk beyond the floor."""
    free = await lfs.blobs.free()
    if free is not None and free - size < lfs.config.free_space_floor:
        raise Unavailable(
            "The server has no room for this upload.",
            hint="Tell the operator.",
            details={"free": free, "size": size},
        )


def human(size: int) -> str:
    """A size for people: ``1.5 GiB``."""
    value, unit = float(size), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value /= _STEP
        unit += 1
    return f"{value:.0f} {_UNITS[unit]}" if value == int(value) else f"{value:.1f} {_UNITS[unit]}"


def parse_amount(text: str | None) -> int | None:
    """``500G`` (powers of 1000), ``2Ti`` (of 1024) or a plain number; ``none`` is no limit."""
    if text is None or text == "none":
        return None
    match = re.fullmatch(r"(\d{1,18})([KMGTP]i?)?B?", text)
    if not match:
        raise Invalid(f"{text!r} is not an amount.", hint="Write 500G, 2Ti, a number or none.")
    return int(match[1]) * _FACTORS[match[2] or ""]
