"""What an SSH key gets for the LFS endpoints over HTTP (git-lfs ``docs/api/server-discovery.md``).

Such a token is good for minutes, one repository and one direction. It stands for the key that
asked: rights are looked up when it is used, so it dies with the key, the account or the role.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from hubd.core import identity, repos
from hubd.core.context import Core
from hubd.errors import Denied, SignInNeeded, Unavailable
from hubd.lfs.signing import KeyTicket
from hubd.types import Actor, RepoRef, Scope, TokenLimits

SECONDS = 900


@dataclass(frozen=True, slots=True)
class Granted:
    """Where to go, what to show there, and for how many seconds it is good."""

    href: str
    token: str
    expires_in: int


async def issue(
    core: Core, actor: Actor, fingerprint: str, ref: RepoRef, *, may_write: bool
) -> Granted:
    """A token for the key of this fingerprint, with which the actor signed in."""
    found = await repos.find_for_content(core, actor, ref, may_write=may_write)
    if not core.origin:
        raise Unavailable("This hub is not reached by HTTP.", hint="Use a newer git-lfs.")
    ticket = KeyTicket(
        repo_id=found.repo.id,
        user_id=actor.user_id,
        fingerprint=fingerprint,
        may_write=may_write,
        expires_at=time.time() + SECONDS,
    )
    href = f"{core.origin}/{found.repo.ref.path}.git/info/lfs"
    return Granted(href, core.lfs.signer.sign(ticket), SECONDS)


def is_token(secret: str) -> bool:
    """Whether this looks like one of ours and not like an account's token."""
    return "." in secret


async def redeem(core: Core, secret: str, seen: Actor) -> Actor:
    """Who a token stands for now, with no more than its rights; raises ``SignInNeeded``."""
    try:
        ticket = core.lfs.signer.check(KeyTicket, secret)
    except Denied:
        raise SignInNeeded("This token is not valid any more.") from None
    actor = await identity.by_key(core, ticket.fingerprint, seen)
    if actor is None:
        raise SignInNeeded("The key behind this token is gone.")
    scope = min(actor.scope, Scope.WRITE if ticket.may_write else Scope.READ)
    return replace(actor, scope=scope, limits=TokenLimits(repo_ids=frozenset({ticket.repo_id})))
