"""The checks of a push, in the order in which people read their findings."""

from hubd.hooks.checks.approvals import Approvals
from hubd.hooks.checks.lfs_locks import LfsLocks
from hubd.hooks.checks.lfs_pointers import LfsPointers
from hubd.hooks.checks.object_size import ObjectSize
from hubd.hooks.checks.paths import Paths
from hubd.hooks.checks.protected_refs import ProtectedRefs
from hubd.hooks.checks.pull_requests import PullRequests
from hubd.hooks.checks.ref_names import RefNames
from hubd.hooks.context import Check

CHECKS: tuple[Check, ...] = (
    RefNames(),
    ProtectedRefs(),
    PullRequests(),
    Approvals(),
    LfsLocks(),
    ObjectSize(),
    LfsPointers(),
    Paths(),
)

__all__ = ["CHECKS"]
