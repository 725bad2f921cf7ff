"""Errors as the numbers that LFS clients understand, the same over HTTP and SSH."""

from __future__ import annotations

from hubd.errors import HubError, Invalid, QuotaExceeded

# What the protocol wants for each kind, where it differs from the kind's own status.
_STATUS: dict[type[HubError], int] = {Invalid: 422, QuotaExceeded: 507}


def status_of(error: HubError) -> int:
    """The status of an error in the protocol's terms."""
    return _STATUS.get(type(error), error.status)
