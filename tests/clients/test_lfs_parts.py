"""Clients that upload in parts, unmodified: three SDKs, two of them as agents of git-lfs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.apiclient import Api, basic
from tests.clients.kit import Place
from tests.hubproc import ROOT, Hub
from tests.lfskit import at_address
from tests.s3servers import BACKINGS

pytestmark = pytest.mark.parametrize("backed", BACKINGS, indirect=True)

PART = 5 * 1024 * 1024
VENV = ROOT / "build" / "clients" / "python"

pytestmark = pytest.mark.skipif(
    not (VENV / "stamp").exists(), reason="tests/clients/fetch.sh could not fetch these clients"
)

HUGGING_FACE = """
import sys
from huggingface_hub import CommitOperationAdd
from huggingface_hub.lfs import lfs_upload, post_lfs_batch_info
_, hub, repo, token, file = sys.argv
operation = CommitOperationAdd("big.bin", file)
actions, errors, way = post_lfs_batch_info(
    [operation.upload_info], token=token, repo_type="model", repo_id=repo, revision="main"
)
assert (errors, way) == ([], "multipart"), (errors, way)
lfs_upload(operation, actions[0], token=token)
"""
# This client wants to put namespace and name behind the address of the server.
GIFTLESS = """
import sys
from giftless_client import LfsClient
_, hub, repo, token, file = sys.argv
class Client(LfsClient):
    def _url_for(self, *segments, **params):
        return f"{hub}/{repo}.git/info/lfs/objects/batch"
Client(hub, auth_token=token).upload(open(file, "rb"), *repo.split("/"))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, backed: dict[str, Any]) -> Iterator[Place]:
    """A hub that takes small parts."""
    folder = tmp_path_factory.mktemp("parts")
    with Hub(folder / "hub" / "data", part_size=PART, parts_above=PART, **backed) as hub:
        yield Place(hub, folder)


def fetched(place: Place, repo: str, data: bytes) -> bytes:
    """The object as the hub hands it out."""
    api = Api(place.hub.http)
    named = [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}]
    body = msgspec.json.encode({"operation": "download", "objects": named})
    headers = basic("x", place.token)
    reply = api.send("POST", f"/{repo}.git/info/lfs/objects/batch", data=body, headers=headers)
    href = msgspec.json.decode(reply.body)["objects"][0]["actions"]["download"]["href"]
    return at_address("GET", href).body


@pytest.mark.parametrize("script", [HUGGING_FACE, GIFTLESS], ids=["hugging face", "giftless"])
def test_an_sdk(place: Place, script: str) -> None:
    repo, file, data = place.repo(), place.fresh(), os.urandom(10 * PART + 5)
    file.write_bytes(data)
    done = subprocess.run(
        [VENV / "bin" / "python", "-c", script, place.hub.http, repo, place.token, file],
        env={"HF_ENDPOINT": place.hub.http, "HF_HUB_DISABLE_XET": "1", "HOME": str(place.folder)},
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert fetched(place, repo, data) == data


@pytest.mark.parametrize("agent", ["hf", "csghub-cli"])
def test_an_agent_of_git_lfs(place: Place, agent: str) -> None:
    repo, folder = place.repo(), place.fresh()
    files = {"big.bin": os.urandom(11 * PART + 9), "small.bin": b"small"}
    place.git("init", "-q", "-b", "main", folder)
    for key, value in (("path", VENV / "bin" / agent), ("args", "lfs-multipart-upload")):
        place.git("config", f"lfs.customtransfer.multipart.{key}", value, cwd=folder)
    place.git("lfs", "install", "--local", cwd=folder)
    place.git("lfs", "track", "*.bin", cwd=folder)
    for name, data in files.items():
        Path(folder / name).write_bytes(data)
    place.git("add", "-A", cwd=folder)
    place.git("commit", "-q", "-m", "One", cwd=folder)
    told = len(place.hub.log())
    place.git("push", "-q", place.url("http", repo), "main", cwd=folder)
    assert "/complete" in place.hub.log()[told:]
    for data in files.values():
        assert fetched(place, repo, data) == data
