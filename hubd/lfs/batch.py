"""The decisions of the Batch API: what is to be sent or fetched, and where.

Source: git-lfs ``docs/api/batch.md``. The whole batch costs the same number of statements however
many objects it names.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from hubd.blobs.base import Link
from hubd.errors import HubError, Invalid, NotFound, QuotaExceeded, TooLarge
from hubd.lfs import content, direct, multipart, quota
from hubd.lfs.context import Lfs
from hubd.lfs.direct import Offer
from hubd.lfs.multipart import Session
from hubd.lfs.signing import ObjectTicket
from hubd.store.repos import Repo
from hubd.types import Actor

MAX_OBJECTS = 10_000
# Decision 40. An upload's address must outlast the wait behind the others of its batch.
DOWNLOAD_SECONDS = 900
UPLOAD_SECONDS = 6 * 3600


class Wanted(msgspec.Struct, frozen=True):
    """An object as the client names it."""

    oid: Any = None
    size: Any = None


class Answer(msgspec.Struct, frozen=True):
    """What to do about one object: use the ticket, or nothing (it is there), or an error.

    With a ``session`` it is sent in parts, with ``direct`` it goes from or to the object store
    itself; the ticket, and there ``upload_id``, then serve for what comes after.
    """

    oid: str
    size: int
    ticket: ObjectTicket | None = None
    error: HubError | None = None
    session: Session | None = None
    direct: Link | None = None
    upload_id: str = ""


def check_count(wanted: Sequence[Wanted]) -> None:
    """Raise ``TooLarge`` for more objects than one batch may name."""
    if len(wanted) > MAX_OBJECTS:
        raise TooLarge(f"A batch names at most {MAX_OBJECTS} objects.")


def _checked(wanted: Sequence[Wanted]) -> tuple[dict[str, int], list[Answer]]:
    """Sizes by oid of what can be looked up, and answers to the rest."""
    sizes: dict[str, int] = {}
    faults: list[Answer] = []
    for one in wanted:
        try:
            oid = content.check_oid(one.oid)
            # A bool is an int to Python, but no size.
            if type(one.size) is not int or not 0 <= one.size <= content.MAX_SIZE:
                raise Invalid("The size is a whole number of bytes, not negative.")
            sizes[oid] = one.size
        except Invalid as error:
            named = one.oid if isinstance(one.oid, str) else ""
            size = one.size if type(one.size) is int and one.size >= 0 else 0
            faults.append(Answer(named, size, error=error))
    return sizes, faults


async def download(lfs: Lfs, actor: Actor, repo: Repo, wanted: Sequence[Wanted]) -> list[Answer]:
    """Tickets for what the repository has; the actor may read it."""
    check_count(wanted)
    sizes, answers = _checked(wanted)
    found = await content.links(lfs, repo.id, sizes)
    addresses = await direct.downloads(lfs, found, DOWNLOAD_SECONDS)
    for oid, size in sizes.items():
        link = found.get(oid)
        if link is None:
            error = NotFound("This repository has no such object.")
            answers.append(Answer(oid, size, error=error))
        elif link.size != size:
            error2 = Invalid(f"The object has {link.size} bytes, not {size}.")
            answers.append(Answer(oid, link.size, error=error2))
        else:
            ticket = _ticket(actor, repo, oid, size, DOWNLOAD_SECONDS)
            answers.append(Answer(oid, size, ticket, direct=addresses.get(oid)))
    return answers


async def upload(
    lfs: Lfs,
    actor: Actor,
    repo: Repo,
    wanted: Sequence[Wanted],
    *,
    parts_above: int | None = None,
    again: bool = False,
    may_go_direct: bool = False,
) -> list[Answer]:
    """Tickets for what has to be sent; the actor may push.

    What the repository has, or the actor may read elsewhere, needs no sending, unless the client
    insists (``again``). All objects are sent in parts if one of them has more than ``parts_above``
    bytes, since a client can only be told one way for the whole batch.
    """
    check_count(wanted)
    sizes, answers = _checked(wanted)
    found = await content.links(lfs, repo.id, sizes)
    have: dict[str, int] = {}
    missing: dict[str, int] = {}
    for oid, size in sizes.items():
        link = found.get(oid)
        if link is None:
            missing[oid] = size
        elif link.size != size:
            error = Invalid(f"The object has {link.size} bytes, not {size}.")
            answers.append(Answer(oid, size, error=error))
        else:
            have[oid] = size
    try:
        adopted = await _adopted(lfs, actor, repo, missing)
    except QuotaExceeded as error:
        # All or nothing: a push that stops half-way helps nobody.
        return answers + [Answer(oid, size, error=error) for oid, size in missing.items()]
    have |= adopted
    rest = {oid: size for oid, size in missing.items() if oid not in adopted}
    if again:
        rest, have = rest | have, {}
    answers += [Answer(oid, size) for oid, size in have.items()]
    if parts_above is not None and any(size > parts_above for size in rest.values()):
        return answers + await _in_parts(lfs, actor, repo, rest)
    return answers + await _whole(lfs, actor, repo, rest, may_go_direct=may_go_direct)


async def _adopted(lfs: Lfs, actor: Actor, repo: Repo, missing: dict[str, int]) -> dict[str, int]:
    """What needs no sending after all; raises ``QuotaExceeded`` when the rest does not fit."""
    if not missing:
        return {}
    adopted = await content.adopt(lfs, actor, repo, missing)
    rest = [size for oid, size in missing.items() if oid not in adopted]
    await quota.require_disk(lfs, sum(rest))
    payer = await quota.payer(lfs, repo, actor.user_id)
    async with lfs.store.read() as conn:
        await quota.require_room(lfs, conn, repo, sum(rest), len(rest), payer=payer)
    return adopted


async def _in_parts(lfs: Lfs, actor: Actor, repo: Repo, sizes: dict[str, int]) -> list[Answer]:
    sessions = await multipart.begin(lfs, actor, repo, sizes)
    return [
        Answer(
            oid,
            session.upload.size,
            _ticket(actor, repo, oid, session.upload.size, multipart.SECONDS, may_write=True),
            session=session,
        )
        for oid, session in sessions.items()
    ]


async def _whole(
    lfs: Lfs, actor: Actor, repo: Repo, sizes: dict[str, int], *, may_go_direct: bool
) -> list[Answer]:
    offers: dict[str, Offer] = {}
    if may_go_direct:
        offers = await direct.upload(lfs, actor, repo, sizes, UPLOAD_SECONDS)
    answers = []
    for oid, size in sizes.items():
        ticket = _ticket(actor, repo, oid, size, UPLOAD_SECONDS, may_write=True)
        offer = offers.get(oid)
        answers.append(
            Answer(oid, size, ticket, direct=offer.link, upload_id=offer.pending.id)
            if offer
            else Answer(oid, size, ticket)
        )
    return answers


def _ticket(
    actor: Actor, repo: Repo, oid: str, size: int, seconds: int, *, may_write: bool = False
) -> ObjectTicket:
    return ObjectTicket(
        repo_id=repo.id,
        user_id=actor.user_id,
        oid=oid,
        size=size,
        may_write=may_write,
        expires_at=time.time() + seconds,
    )
