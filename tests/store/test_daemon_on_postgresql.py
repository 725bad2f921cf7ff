"""The whole daemon on PostgreSQL: the same code, the same answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hubproc import Hub, git


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_push_and_clone_on_postgresql(store_url: str, dialect: str, tmp_path: Path) -> None:
    url = store_url.replace("postgresql+asyncpg://", "postgresql://")
    with Hub(tmp_path / "data", database_url=url) as hub:
        hub.admin("user", "add", "ada")
        address = hub.git_url("ada/first", hub.token("ada", "write"))
        work = tmp_path / "work"
        git("init", "-q", "-b", "main", str(work))
        (work / "a").write_text("a\n")
        git("-C", str(work), "add", ".")
        git("-C", str(work), "commit", "-qm", "One")
        git("-C", str(work), "push", "-q", address, "main")
        git("clone", "-q", address, str(tmp_path / "again"))
        assert (tmp_path / "again" / "a").read_text() == "a\n"
        assert "ada/first" in str(hub.admin("repo", "list"))
