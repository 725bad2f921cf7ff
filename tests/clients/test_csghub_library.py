"""``pycsghub`` as scripts use it, unmodified, against this hub; ``csghub-cli`` has its own tests."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest

from tests.clients.csgkit import VERSION, CsgClient
from tests.clients.hfkit import HfClient
from tests.clients.kit import Place

OWN = {"CSGHUB_DISABLE_XNET": "true"}
_SOURCE = """
source = pathlib.Path("source")
for name, data in {
    "README.md": b"---\\nlicense: mit\\n---\\n",
    "config.json": b"{}",
    "sub/notes.txt": b"notes",
    "model.safetensors": hashlib.sha256(b"x").digest() * 100_000,
}.items():
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_bytes(data)

def files(folder):
    folder = pathlib.Path(folder)
    kept = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
    kept = [p for p in kept if not {".git", ".cache", ".huggingface"} & set(p.parts)]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}
"""


@pytest.fixture
def ada(place: Place) -> CsgClient:
    return CsgClient(place, VERSION, place.fresh(), place.token)


@pytest.mark.parametrize("way", [{}, OWN], ids=["mapped", "own"])
def test_the_api_object_makes_fills_and_reads_a_repository(
    ada: CsgClient, way: dict[str, str]
) -> None:
    ada.extra = way
    # The client keeps its clones in one place, by name alone.
    name = f"csg-{secrets.token_hex(4)}"
    ada.run(
        _SOURCE
        + """
from pycsghub.api_client import get_csghub_api
csg = get_csghub_api("model", user_name="ada")
csg.create_repo(repo, repo_type="model", exist_ok=True)
csg.create_repo(repo, repo_type="model", exist_ok=True)
csg.upload_folder(repo_id=repo, repo_type="model", folder_path=source, revision="main")
info = csg.repo_info(repo, repo_type="model", revision="main")
assert info.id == repo and {s.rfilename for s in info.siblings} >= set(files(source))
csg.create_branch(repo, branch="dev", repo_type="model")
one = csg.hf_hub_download(repo, "sub/notes.txt", repo_type="model", revision="dev")
assert pathlib.Path(one).read_bytes() == b"notes"
whole = csg.snapshot_download(repo, repo_type="model", revision="main", local_dir="whole")
assert files(whole) == files(source), files(whole).keys()
some = csg.snapshot_download(
    repo, repo_type="model", revision="main", local_dir="some", allow_patterns=["*.json"]
)
assert set(files(some)) == {"config.json"}
""",
        repo=f"ada/{name}",
    )
    shutil.rmtree(Path("/tmp/csg", name), ignore_errors=True)


def test_snapshots_and_files_by_the_library(place: Place, ada: CsgClient) -> None:
    repo = f"ada/{ada.folder.name}"
    ada.run(
        _SOURCE
        + """
from pycsghub.file_download import file_download
from pycsghub.repository import Repository
from pycsghub.snapshot_download import snapshot_download
with_token = {"repo_type": "dataset", "token": os.environ["CSGHUB_TOKEN"]}
Repository(repo, "source", user_name="ada", work_dir="work", **with_token).upload()
for mount in ("csg", "hf", "ms"):
    found = snapshot_download(repo, local_dir=mount, source=mount, **with_token)
    assert files(found) == files(source), (mount, files(found).keys())
one = file_download(repo, file_name="model.safetensors", local_dir="one", **with_token)
assert files("one") == {"model.safetensors": files(source)["model.safetensors"]}
assert list(files(snapshot_download(
    repo, local_dir="less", allow_patterns="*.json", ignore_patterns="model*", **with_token
))) == ["config.json"]
(source / "sub" / "notes.txt").unlink()
(source / "new.txt").write_text("new")
Repository(
    repo, "source", user_name="ada", work_dir="work", branch_name="dev", **with_token
).upload()
assert files(snapshot_download(repo, revision="dev", local_dir="dev", **with_token)) == files(source)
assert "sub/notes.txt" in files(snapshot_download(repo, local_dir="main", **with_token))
for wrong in ({"revision": "none"}, {"token": "hubd_" + "x" * 43}, {"token": None}):
    os.environ.pop("CSGHUB_TOKEN", None)
    refused(Exception, lambda: snapshot_download(repo, local_dir="no", **{**with_token, **wrong}))
    assert not files("no")
""",
        repo=repo,
    )


def test_commits_branches_and_repositories_by_the_small_api(ada: CsgClient) -> None:
    ada.run(
        """
        from pycsghub.commit_ops import CommitOperationAdd, CommitOperationDelete, build_payload
        from pycsghub.csghub_api import CsgHubApi
        from pycsghub.snapshot_download import snapshot_download
        csg, token = CsgHubApi(), os.environ["CSGHUB_TOKEN"]
        where = {"repo_id": repo, "repo_type": "space", "endpoint": None, "token": token}
        assert csg.repo_branch_exists(revision="main", **where) == (False, False)
        csg.create_new_repo(revision="main", **where)
        refused(Exception, lambda: csg.create_new_repo(revision="main", **where))
        assert csg.repo_branch_exists(revision="main", **where) == (True, True)
        assert csg.repo_branch_exists(revision="dev", **where) == (True, False)
        csg.create_new_branch(revision="dev", **where)
        assert csg.repo_branch_exists(revision="dev", **where) == (True, True)
        asked = {"files": [{"path": "app.py", "size": 3}, {"path": "m.safetensors", "size": 3}]}
        modes = csg.fetch_upload_modes(asked, revision="dev", **where)["data"]["files"]
        assert [f["uploadMode"] for f in modes] == ["regular", "lfs"]
        for operations, left in (
            ([CommitOperationAdd("app.py", b"one"), CommitOperationAdd("b.txt", b"two")], 2),
            ([CommitOperationDelete("b.txt")], 1),
        ):
            done = csg.create_commit(build_payload(operations, "A commit"), revision="dev", **where)
            assert done["msg"] == "OK"
            found = snapshot_download(
                repo, repo_type="space", revision="dev", local_dir=f"at{left}", token=token
            )
            assert len([p for p in pathlib.Path(found).iterdir() if p.suffix in {".py", ".txt"}]) == left
        """,
        repo=f"ada/{ada.folder.name}",
    )


def test_what_is_not_run_here_says_so(ada: CsgClient) -> None:
    """Models are neither run nor trained yet: the client is told in a sentence with 501."""
    ada.run("""
        import contextlib, io
        from pycsghub.cmd import finetune, inference
        token = os.environ["CSGHUB_TOKEN"]

        def told(call):
            # Some calls raise, others print the answer.
            out = io.StringIO()
            try:
                with contextlib.redirect_stdout(out):
                    call()
            except Exception as error:
                assert error.response.status_code == 501, repr(error)
                return error.response.text
            return out.getvalue()

        for call in (
            lambda: inference.list("ada", token, None, None),
            lambda: inference.start(model="ada/m", id=1, token=token, endpoint=None),
            lambda: inference.stop(model="ada/m", id=1, token=token, endpoint=None),
            lambda: finetune.list("ada", token, None, None),
            lambda: finetune.start(model="ada/m", id=1, token=token, endpoint=None),
            lambda: finetune.stop(model="ada/m", id=1, token=token, endpoint=None),
        ):
            assert "on this hub yet." in told(call), told(call)
    """)


# Its readers import both transformers and datasets, which are in environments of their own.
_READERS = """
import sys
sys.path += beside
from pycsghub.repo_reader import AutoConfig, load_dataset
assert AutoConfig.from_pretrained(repo).hidden_size == 16
rows = load_dataset(repo, split="train")
assert rows.to_dict() == {"id": [1, 2], "word": ["one", "two"]}, rows
"""


@pytest.mark.ml
@pytest.mark.soak
def test_its_readers_of_models_and_datasets(place: Place, ada: CsgClient) -> None:
    repo = f"ada/{ada.folder.name}"
    ada.run(
        """
        from pycsghub.repository import Repository
        for kind, name, text in (
            ("model", "config.json", '{"model_type": "bert", "hidden_size": 16}'),
            ("dataset", "train.csv", "id,word\\n1,one\\n2,two\\n"),
        ):
            pathlib.Path(kind).mkdir()
            pathlib.Path(kind, name).write_text(text)
            Repository(
                repo, kind, user_name="ada", work_dir="work", repo_type=kind,
                token=os.environ["CSGHUB_TOKEN"],
            ).upload()
        """,
        repo=repo,
    )
    reader = HfClient(place, "ml", place.fresh(), "", extra=dict(ada.env))
    others = [ada.bin, HfClient(place, "data", place.fresh(), "").bin]
    beside = [str(next((one.parent / "lib").glob("python*")) / "site-packages") for one in others]
    reader.run(_READERS, repo=repo, beside=beside)
