"""Every call of CSGHub's API that its clients and its core use make, with who answers it."""

from __future__ import annotations

from hubd.http.csg import accounts, content, discussions, orgs, refs, repos, upload
from hubd.http.csg.endpoint import REPO, Endpoint
from hubd.http.hf.endpoint import not_built

_REST = "{rest:(?:/.*)?}"
_RUNS = not_built("Models are not run")
_TUNES = not_built("Models are not trained")
_SPACES = not_built("Spaces are not run")
_MIRRORS = not_built("Mirrors are not there")
_COLLECTIONS = not_built("Collections are not there")
_TYPES = not_built("Repositories of this type are not there")
_TAGS = not_built("Tags of all repositories are not managed")
_ADMIN = not_built("This call of CSGHub's is not answered")
_JUDGES = not_built("Models are not evaluated")
_SPACE_CALLS = "run|stop|wakeup|status|logs"

NOT_BUILT = [
    Endpoint("*", f"/tags{_REST}", _TAGS, "Tags as such"),
    Endpoint(
        "DELETE",
        "/organization/{org}",
        not_built("Organizations are not deleted"),
        "Delete an organization",
    ),
    Endpoint("*", f"{REPO}/{{call:run|serverless}}{_REST}", _RUNS, "Inference"),
    Endpoint("*", f"{REPO}/finetune{_REST}", _TUNES, "Fine-tuning"),
    Endpoint("*", f"{REPO}/mirror{_REST}", _MIRRORS, "Mirror of a repository"),
    Endpoint("*", f"{REPO}/mirror_from_saas{_REST}", _MIRRORS, "Mirror of a repository"),
    Endpoint("*", f"/spaces/{{namespace}}/{{name}}/{{call:{_SPACE_CALLS}}}", _SPACES, "A Space"),
    Endpoint("GET", "/{call:space_sdks|space_templates}", _SPACES, "What Spaces are made with"),
    Endpoint(
        "*",
        f"{REPO}/{{call:relations|quantizations|runtime_framework}}{_REST}",
        not_built("Lineage is not shown"),
        "Lineage",
    ),
    Endpoint(
        "*",
        f"/datasets/{{namespace}}/{{name}}/{{call:viewer|dataviewer}}{_REST}",
        not_built("Tables are not shown"),
        "Tables of a dataset",
    ),
    Endpoint("GET", f"/user/{{user}}/run{_REST}", _RUNS, "What a user runs"),
    Endpoint("GET", f"/user/{{user}}/finetune{_REST}", _TUNES, "What a user trains"),
    Endpoint("*", f"/runtime_framework{_REST}", _RUNS, "Inference"),
    Endpoint("*", f"/evaluations{_REST}", _JUDGES, "Evaluations"),
    Endpoint("*", f"/finetunes{_REST}", _TUNES, "Fine-tuning"),
    Endpoint("*", f"/{{call:mirror|sync|lfs_sync}}{_REST}", _MIRRORS, "Mirrors"),
    Endpoint("*", f"/dataflow{_REST}", not_built("Data is not processed"), "Data processing"),
    Endpoint("*", f"/{{call:collections|prompts}}{_REST}", _COLLECTIONS, "Collections"),
    Endpoint("*", f"/{{call:mcps|skills}}{_REST}", _TYPES, "Further types"),
    Endpoint("*", f"/{{call:recom|sensitive|admin|broadcasts}}{_REST}", _ADMIN, "Operation"),
    Endpoint("*", f"/{{call:notifications|webhook|sandboxes}}{_REST}", _ADMIN, "Operation"),
]
# In this order: the first that fits answers.
ENDPOINTS: list[Endpoint] = [
    *accounts.ENDPOINTS,
    *orgs.ENDPOINTS,
    *repos.ENDPOINTS,
    *content.ENDPOINTS,
    *refs.ENDPOINTS,
    *discussions.ENDPOINTS,
    *upload.ENDPOINTS,
    *NOT_BUILT,
]
