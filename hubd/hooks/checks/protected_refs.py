"""Protected branches and tags: no force, no deletion, and who may push."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hubd.hooks.channel import RefUpdate, printable
from hubd.hooks.context import PushContext
from hubd.store.rules import RefRule
from hubd.types import Finding, Level

_PREFIX = {"branch": "refs/heads/", "tag": "refs/tags/"}


class ProtectedRefs:
    """Applies each rule whose pattern matches; the default branch has one without being told."""

    name = "protected-refs"

    async def run(self, ctx: PushContext) -> list[Finding]:
        """A finding per update and broken rule."""
        findings: list[Finding] = []
        for update in ctx.updates:
            rules = [rule for rule in ctx.rules if matches(rule, update.ref)]
            default = update.ref == f"refs/heads/{ctx.repo.default_branch}"
            if default and not any(_is_exact(rule, update.ref) for rule in rules):
                rules.append(_default_rule(ctx))
            for rule in rules:
                fault = await self._fault(ctx, update, rule)
                if fault:
                    findings.append(fault)
                    break
        return findings

    async def _fault(self, ctx: PushContext, update: RefUpdate, rule: RefRule) -> Finding | None:
        ref = printable(update.ref)
        if ctx.role < rule.push_role:
            return self._refuse(
                f"{ref} is protected: pushing to it needs the {rule.push_role.label} role.",
                "Push to another branch and ask for a merge.",
            )
        if update.deletes and not rule.allow_delete:
            return self._refuse(
                f"{ref} is protected and cannot be deleted.",
                "An administrator can change its protection in the repository's settings.",
            )
        moves = not update.creates and not update.deletes
        if moves and not rule.allow_force and not await ctx.is_fast_forward(update):
            return self._refuse(
                f"{ref} is protected: this push would rewrite its history.",
                "Merge or rebase onto it and push without --force.",
            )
        return None

    def _refuse(self, message: str, fix: str) -> Finding:
        return Finding(Level.REFUSE, self.name, message, fix)


def matches(rule: RefRule, ref: str) -> bool:
    """Whether a rule is for a ref."""
    prefix = _PREFIX[rule.kind]
    # Folded on both sides: a twin in another case must not slip past a rule.
    return ref.startswith(prefix) and fnmatchcase(
        ref.removeprefix(prefix).casefold(), rule.pattern.casefold()
    )


def _is_exact(rule: RefRule, ref: str) -> bool:
    return _PREFIX[rule.kind] + rule.pattern == ref


def _default_rule(ctx: PushContext) -> RefRule:
    return RefRule.for_default_branch(ctx.repo.id, ctx.repo.default_branch)
