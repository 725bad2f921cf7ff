"""Every call of the Hub's API that clients make, with who answers it."""

from __future__ import annotations

from hubd.http.hf import (
    accounts,
    collections,
    discussions,
    gates,
    info,
    lfsfiles,
    oauth,
    refs,
    repos,
    resolve,
    social,
    spaces,
    trees,
    upload,
    webhooks,
    xet,
)
from hubd.http.hf.endpoint import Call, Endpoint, not_built

_SPACES = not_built("Spaces are not run")
_JOBS = not_built("Jobs are not run")
_BUCKETS = not_built("Buckets are not there")
_PAPERS = not_built("Papers are not there")
_REST = "{rest:(?:/.*)?}"
_SPACE = "/api/spaces/{namespace}/{name}"
_SPACE_CALLS = "dev-mode|storage|volumes|logs/[^/]+|metrics"


async def telemetry(_call: Call) -> None:
    """What clients tell about themselves is not kept."""


NOT_BUILT = [
    Endpoint("*", _SPACE + f"/{{call:{_SPACE_CALLS}}}", _SPACES, "A Space's run"),
    Endpoint("GET", "/api/spaces/{call:hardware|templates|semantic-search}", _SPACES, "Spaces"),
    Endpoint("GET", "/api/spaces/zero-gpu/quota", _SPACES, "What is left for a user's Spaces"),
    Endpoint(
        "GET",
        "/api/datasets/{namespace}/{name}/leaderboard",
        not_built("Models are not evaluated"),
        "Which models did best with a dataset",
    ),
    Endpoint(
        "POST",
        "/api/collections/{namespace}/{slug}/resource-group",
        not_built("Resource groups are not there"),
        "Who has a collection",
    ),
    Endpoint("*", "/api/jobs" + _REST, _JOBS, "Jobs"),
    Endpoint("*", "/api/scheduled-jobs" + _REST, _JOBS, "Scheduled jobs"),
    Endpoint("*", "/api/buckets" + _REST, _BUCKETS, "Buckets"),
    Endpoint("*", "/api/kernels" + _REST, not_built("Kernels are not there"), "Kernels"),
    Endpoint("GET", "/api/{rest:daily_papers|papers/.+}", _PAPERS, "Papers"),
]
# In this order: the first that fits answers.
ENDPOINTS: list[Endpoint] = [
    *accounts.ENDPOINTS,
    *repos.ENDPOINTS,
    *trees.ENDPOINTS,
    *refs.ENDPOINTS,
    *upload.ENDPOINTS,
    *xet.ENDPOINTS,
    *discussions.ENDPOINTS,
    *gates.ENDPOINTS,
    *social.ENDPOINTS,
    *oauth.ENDPOINTS,
    *spaces.ENDPOINTS,
    *lfsfiles.ENDPOINTS,
    *collections.ENDPOINTS,
    *webhooks.ENDPOINTS,
    Endpoint("HEAD", "/api/telemetry/{rest:.*}", telemetry, "Taken and not kept", rated=False),
    *NOT_BUILT,
    *info.ENDPOINTS,
    *resolve.ENDPOINTS,
]
