"""Rules that protect branches and tags of a repository."""

from __future__ import annotations

from collections.abc import Sequence

from hubd.core import repos
from hubd.core.context import Core
from hubd.errors import Invalid, NotFound
from hubd.names import MAX_REF_BYTES
from hubd.store import audit, rules
from hubd.store.engine import Connection
from hubd.store.rules import RefRule
from hubd.types import Actor, RepoAction, RepoRef, Role

MAX_APPROVALS = 10


async def listing(core: Core, actor: Actor, ref: RepoRef) -> Sequence[RefRule]:
    """The rules in force, the default branch's own included."""
    found = await repos.find(core, actor, ref)
    async with core.store.read() as conn:
        own = list(await rules.for_repo(conn, found.repo.id))
    branch = found.repo.default_branch
    if not any(rule.kind == "branch" and rule.pattern == branch for rule in own):
        own.insert(0, RefRule.for_default_branch(found.repo.id, branch))
    return own


async def add(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    pattern: str,
    *,
    kind: str = "branch",
    push_role: Role = Role.WRITE,
    allow_force: bool = False,
    allow_delete: bool = False,
    approvals: int = 0,
) -> RefRule:
    """Protect the branches or tags that match a shell pattern (``release/*``).

    Branches that need ``approvals`` move by merges of pull requests with so many of them only.
    """
    if kind not in {"branch", "tag"}:
        raise Invalid("A rule is for a branch or a tag.")
    if not pattern or len(pattern) > MAX_REF_BYTES or not pattern.isprintable():
        raise Invalid("The pattern must be a branch or tag name; * and ? stand for anything.")
    if not 0 <= approvals <= (MAX_APPROVALS if kind == "branch" else 0):
        raise Invalid(f"A branch needs 0 to {MAX_APPROVALS} approvals, a tag none.")
    found = await repos.find(core, actor, ref, RepoAction.MANAGE_SETTINGS)

    async def work(conn: Connection) -> int:
        rule_id = await rules.add(
            conn,
            repo_id=found.repo.id,
            pattern=pattern,
            kind=kind,
            push_role=max(push_role, Role.WRITE),
            allow_force=allow_force,
            allow_delete=allow_delete,
            approvals=approvals,
        )
        details = {"pattern": pattern, "kind": kind, "role": push_role.label}
        await audit.add(conn, actor, "rule.add", found.repo.ref.path, details)
        return rule_id

    rule_id = await core.store.write(work)
    async with core.store.read() as conn:
        return next(r for r in await rules.for_repo(conn, found.repo.id) if r.id == rule_id)


async def remove(core: Core, actor: Actor, ref: RepoRef, rule_id: int) -> None:
    """Lift a rule; raises ``NotFound`` unless it is this repository's."""
    found = await repos.find(core, actor, ref, RepoAction.MANAGE_SETTINGS)

    async def work(conn: Connection) -> None:
        if not await rules.remove(conn, found.repo.id, rule_id):
            raise NotFound("There is no such rule.")
        await audit.add(conn, actor, "rule.remove", found.repo.ref.path, {"rule": rule_id})

    await core.store.write(work)
