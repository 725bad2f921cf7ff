"""The one tree of errors that reaches people.

``message`` is one sentence for a person, ``hint`` says what to do, ``details`` is for the log only.
Each transport renders a kind in its own dialect; nobody else decides a status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hubd.types import Finding


class HubError(Exception):
    """What a person is told when the hub does not do what was asked."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = dict(details or {})

    @property
    def sentence(self) -> str:
        """Message and hint on one line, as a terminal shows them."""
        return f"{self.message} {self.hint}".strip()


class Invalid(HubError):
    """What was sent cannot be understood or breaks a stated bound."""

    code = "invalid"
    status = 400


class SignInNeeded(HubError):
    """Nobody is signed in and the answer depends on who asks."""

    code = "sign_in_needed"
    status = 401


class Denied(HubError):
    """The actor may know that the thing exists, but may not do this to it."""

    code = "denied"
    status = 403


class Gated(Denied):
    """The repository is gated, and the actor is not among those whom its owners let in."""

    code = "gated"


class GatedSignIn(SignInNeeded):
    """As ``Gated``, of somebody who has not said who they are."""

    code = "gated"


class NotFound(HubError):
    """It is not there, or the actor may not know that it is."""

    code = "not_found"
    status = 404


class RepoNotFound(NotFound):
    """There is no such repository, or none that the actor may know of."""


class RevisionNotFound(NotFound):
    """The repository has no such branch, tag or commit."""


class EntryNotFound(NotFound):
    """The commit has no such file or folder."""


class Conflict(HubError):
    """It exists already, or changed since the caller looked."""

    code = "conflict"
    status = 409


class Outdated(Conflict):
    """The branch has moved on since the caller looked."""


class TooLarge(HubError):
    """A body, object or list is over its limit."""

    code = "too_large"
    status = 413


class QuotaExceeded(HubError):
    """The namespace or repository has no room left."""

    code = "quota_exceeded"
    status = 413


class Refused(HubError):
    """The checks of the hook pipeline refused a ref update; ``findings`` has every reason."""

    code = "refused"
    status = 422

    def __init__(self, message: str, findings: Sequence[Finding], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.findings = tuple(findings)


class Busy(HubError):
    """A limit is reached; the same request may work after ``retry_after`` seconds."""

    code = "busy"
    status = 429

    def __init__(self, message: str, *, retry_after: float = 1.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Unavailable(HubError):
    """Something the hub needs (disk, database, object store) does not answer."""

    code = "unavailable"
    status = 503


class NotBuilt(HubError):
    """A call of a dialect that this hub knows of and does not answer yet."""

    code = "not_built"
    status = 501


class Bug(HubError):
    """Ours to mend: the person gets the request id, the log has the rest."""

    code = "internal_error"
    status = 500
