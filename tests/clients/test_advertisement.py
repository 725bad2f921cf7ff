"""What the hub says from memory is what git itself would say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import repositories
from hubd.config import Config
from hubd.git.process import Git
from hubd.git.protocol_v2 import render_receive_refs
from hubd.git.refs import read_refs
from tests.hubproc import git


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("protocol", ["", "version=1", "version=2"])
async def test_receive_pack_refs(
    tmp_path: Path, object_format: str, *, empty: bool, protocol: str
) -> None:
    (tmp_path / "home").mkdir()
    server = Git(Config(data_dir=str(tmp_path)), None)
    await server.check()
    repo = tmp_path / "repo"
    if empty:
        await server.init_bare(repo, object_format, "main")
    else:
        repositories.long_history(repo, 60, object_format=object_format)
        tip = git("rev-parse", "main", cwd=repo).stdout.decode().strip()
        for name in ("refs/hubd/secret", "refs/heads/ä-ö", "refs/pr/1"):
            git("update-ref", name, tip, cwd=repo)
    told = await server.advertise(repo, "receive-pack", protocol)
    made = render_receive_refs(
        await read_refs(server, repo),
        server.receive_advertisement(object_format),
        version_1=protocol == "version=1",
    )
    assert made == told
    assert b"secret" not in made
