"""huggingface_hub with many files at once, killed and resumed, and the rest of its command line."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.clients.hfkit import VERSIONS, HfClient
from tests.clients.kit import Place
from tests.hubproc import Hub
from tests.modelkit import safetensors


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("bulk")
    with Hub(folder / "hub" / "data", log_format="json", api_rate="100000/minute") as hub:
        yield Place(hub, folder)


@pytest.fixture(params=VERSIONS)
def ada(place: Place, request: pytest.FixtureRequest) -> HfClient:
    return HfClient(place, request.param, place.fresh(), place.token)


def _tree(folder: Path, count: int) -> Path:
    for number in range(count):
        path = folder / "tree" / f"d{number % 17}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n" * (number % 5 + 1))
    return folder / "tree"


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".cache", ".gitattributes"} & set(path.parts)
    }


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.soak)])
def test_a_snapshot_of_many_files(ada: HfClient, count: int) -> None:
    tree = _tree(ada.folder, count)
    repo = f"ada/{ada.folder.name}"
    ada.run(
        """
        api.create_repo(repo)
        api.upload_folder(folder_path="tree", repo_id=repo)
        snapshot_download(repo, local_dir="down")
        assert len(api.list_repo_files(repo)) == count + 1
        """,
        repo=repo,
        count=count,
    )
    assert _files(ada.folder / "down") == _files(tree)
    # What is there already is asked for once, by name of the commit alone.
    asked = ada.requests("snapshot_download(repo, local_dir='down')", repo=repo)
    assert not [pair for pair in asked if pair[0] == "GET" and "/resolve/" in pair[1]]


def _upload_large_folder(ada: HfClient, repo: str) -> subprocess.Popen[bytes]:
    """Since 2.0 ``upload_folder`` does what had a name of its own."""
    script = (
        "from huggingface_hub import HfApi\n"
        "upload = getattr(HfApi(), 'upload_large_folder', HfApi().upload_folder)\n"
        f"upload(repo_id={repo!r}, folder_path='tree', repo_type='model')\n"
    )
    return subprocess.Popen(
        [ada.bin / "python", "-c", script],
        env=ada.env,
        cwd=ada.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_a_large_folder_goes_on_where_it_was_killed(place: Place, ada: HfClient) -> None:
    tree = _tree(ada.folder, 40)
    for number in range(8):
        (tree / f"{number}.bin").write_bytes(os.urandom(6_000_000))
    repo = f"ada/{ada.folder.name}"
    ada.run("api.create_repo(repo)", repo=repo)
    before = len(place.hub.log())
    for wanted in (2, 4):
        upload = _upload_large_folder(ada, repo)
        deadline = time.monotonic() + 120
        while _sent(place, before) < wanted and upload.poll() is None:
            assert time.monotonic() < deadline, "nothing arrives"
            time.sleep(0.05)
        upload.send_signal(signal.SIGKILL)
        upload.wait()
        assert upload.stderr is not None
        upload.stderr.close()
    last = _upload_large_folder(ada, repo)
    _, errors = last.communicate(timeout=240)
    assert last.returncode == 0, errors.decode()
    # Two killed clients with two workers each cost at most what was in flight.
    assert 8 <= _sent(place, before) <= 12
    ada.run("snapshot_download(repo, local_dir='down')", repo=repo)
    assert _files(ada.folder / "down") == _files(tree)


def _sent(place: Place, before: int) -> int:
    """How many large files arrived whole since."""
    lines = place.hub.log()[before:].splitlines()
    events = [msgspec.json.decode(line) for line in lines if line.startswith("{")]
    done = [e for e in events if e.get("event") == "http.request" and e["method"] == "PUT"]
    return sum(event["status"] == 200 for event in done)


def test_the_cache_on_the_command_line(ada: HfClient) -> None:
    if ada.is_old:
        pytest.skip("older clients call these otherwise")
    repo = f"ada/{ada.folder.name}"
    (ada.folder).mkdir(parents=True)
    (ada.folder / "one.txt").write_text("one")
    ada.cli("repos", "create", repo, "--private")
    ada.cli("upload", repo, "one.txt", "a/one.txt")
    path = Path(ada.cli("download", repo, "a/one.txt", "--quiet").strip())
    assert path.read_text() == "one"
    assert repo in ada.cli("cache", "ls")
    ada.cli("cache", "verify", repo)
    ada.cli("cache", "rm", f"model/{repo}", "--yes")
    assert not path.exists()
    ada.cli("cache", "prune", "--yes")


def test_repositories_on_the_command_line(ada: HfClient) -> None:
    if ada.is_old:
        pytest.skip("older clients call these otherwise")
    repo = f"ada/{ada.folder.name}"
    ada.folder.mkdir(parents=True)
    (ada.folder / "one.txt").write_text("one")
    ada.cli("repos", "create", repo, "--repo-type", "dataset")
    ada.cli("upload", repo, "one.txt", "one.txt", "--repo-type", "dataset")
    ada.cli("repos", "branch", "create", repo, "side", "--repo-type", "dataset")
    ada.cli("repos", "tag", "create", repo, "v1", "-m", "One", "--repo-type", "dataset")
    assert "v1" in ada.cli("repos", "tag", "list", repo, "--repo-type", "dataset")
    ada.cli("repos", "tag", "delete", repo, "v1", "--yes", "--repo-type", "dataset")
    ada.cli("repos", "branch", "delete", repo, "side", "--repo-type", "dataset")
    ada.cli("repos", "settings", repo, "--private", "--repo-type", "dataset")
    ada.cli("repos", "delete-files", repo, "one.txt", "--repo-type", "dataset")
    found = msgspec.json.decode(ada.cli("datasets", "info", repo))
    assert found["private"] is True
    assert repo in ada.cli("datasets", "ls", "--author", "ada", "--quiet").split()
    assert repo in ada.cli("repos", "ls", "--quiet").split()
    ada.cli("repos", "move", repo, repo + "-new", "--repo-type", "dataset")
    ada.cli("repos", "delete", repo + "-new", "--yes", "--repo-type", "dataset")
    ada.run("assert not api.repo_exists(repo + '-new', repo_type='dataset')", repo=repo)


def test_what_repositories_take(place: Place, ada: HfClient) -> None:
    if ada.is_old:
        pytest.skip("older clients do not ask")
    repo = f"ada/{ada.folder.name}"
    ada.folder.mkdir(parents=True)
    (ada.folder / "big.bin").write_bytes(os.urandom(100_000))
    ada.run(
        """
        api.create_repo(repo, private=True)
        api.upload_file(path_or_fileobj="big.bin", path_in_repo="big.bin", repo_id=repo)
        mine = {r.id: r for r in api.list_user_repos()}
        assert mine[repo].storage >= 100_000 and mine[repo].visibility == "private"
        assert mine[repo].type == "model" and 0 < mine[repo].storage_percent <= 100
        """,
        repo=repo,
    )
    name = f"bob{ada.folder.name}"
    place.ask("user.add", name=name)
    token = str(place.ask("token.add", user=name, scope="read"))
    HfClient(place, ada.version, place.fresh(), token).run(
        """
        assert list(api.list_user_repos()) == []
        refused(HfHubHTTPError, lambda: list(api.list_user_repos("ada")))
        """
    )


def test_what_model_files_say(ada: HfClient) -> None:
    repo = f"ada/{ada.folder.name}"
    ada.folder.mkdir(parents=True)
    wide = {f"layer.{number}.weight": ("BF16", (2, 2)) for number in range(2000)}
    (ada.folder / "wide.safetensors").write_bytes(safetensors(wide))
    (ada.folder / "small.safetensors").write_bytes(safetensors({"a": ("F32", (3,))}))
    ada.run(
        """
        import json
        api.create_repo(repo)
        up = lambda file, name: api.upload_file(path_or_fileobj=file, path_in_repo=name, repo_id=repo)
        up("wide.safetensors", "model.safetensors")
        said = api.get_safetensors_metadata(repo)
        assert not said.sharded and said.parameter_count == {"BF16": 8000}
        info = api.model_info(repo)
        assert info.safetensors.total == 8000 and info.safetensors.parameters == {"BF16": 8000}
        api.delete_file("model.safetensors", repo)
        index = {"metadata": {"format": "pt"}, "weight_map": {"a": "one.safetensors"}}
        index["weight_map"] |= {f"layer.{n}.weight": "two.safetensors" for n in range(2000)}
        up(json.dumps(index).encode(), "model.safetensors.index.json")
        up("small.safetensors", "one.safetensors")
        up("wide.safetensors", "two.safetensors")
        said = api.get_safetensors_metadata(repo)
        assert said.sharded and said.parameter_count == {"BF16": 8000, "F32": 3}
        assert api.model_info(repo, expand=["safetensors"]).safetensors.total == 8003
        if hasattr(api, "get_sharded_safetensors_metadata"):
            assert api.get_sharded_safetensors_metadata(repo) == said
        """,
        repo=repo,
    )
