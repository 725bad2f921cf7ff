"""Every endpoint of the API, in the order of its documentation."""

from __future__ import annotations

from hubd.http.api import (
    apps,
    audit,
    changes,
    content,
    credentials,
    discussions,
    history,
    orgs,
    repos,
    rights,
    storage,
    users,
)
from hubd.http.api.endpoint import Endpoint

ENDPOINTS: list[Endpoint] = [
    *users.ENDPOINTS,
    *credentials.ENDPOINTS,
    *apps.ENDPOINTS,
    *orgs.ENDPOINTS,
    *repos.ENDPOINTS,
    *rights.ENDPOINTS,
    *content.ENDPOINTS,
    *history.ENDPOINTS,
    *changes.ENDPOINTS,
    *discussions.ENDPOINTS,
    *storage.ENDPOINTS,
    *audit.ENDPOINTS,
]
