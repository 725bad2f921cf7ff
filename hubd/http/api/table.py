"""Every endpoint of the API, in the order of its documentation."""

from __future__ import annotations

from hubd.http.api import (
    apps,
    audit,
    changes,
    collections,
    content,
    credentials,
    discussions,
    follows,
    gates,
    history,
    objects,
    orgs,
    repos,
    rights,
    spaces,
    storage,
    users,
    webhooks,
)
from hubd.http.api.endpoint import Endpoint

ENDPOINTS: list[Endpoint] = [
    *users.ENDPOINTS,
    *credentials.ENDPOINTS,
    *apps.ENDPOINTS,
    *orgs.ENDPOINTS,
    *repos.ENDPOINTS,
    *rights.ENDPOINTS,
    *gates.ENDPOINTS,
    *content.ENDPOINTS,
    *history.ENDPOINTS,
    *changes.ENDPOINTS,
    *discussions.ENDPOINTS,
    *storage.ENDPOINTS,
    *objects.ENDPOINTS,
    *spaces.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *collections.ENDPOINTS,
    *follows.ENDPOINTS,
    *audit.ENDPOINTS,
]
