"""Every public method of huggingface_hub's HfApi: it works here, or it is told why not.

A method that no test of a client names, and that is not in these tables either, fails the first
test: so a new version of the client brings its news to notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.hfkit import VERSIONS, HfClient
from tests.clients.kit import Place
from tests.hubproc import Hub

# What comes later answers 501 with a sentence. The client's own lists are read to their end.
LATER = (
    "api.bucket_info('ada/b')",
    "api.create_bucket('ada/b')",
    "api.delete_bucket('ada/b')",
    "api.update_bucket_settings('ada/b', private=True)",
    "list(api.list_buckets())",
    "list(api.list_bucket_tree('ada/b'))",
    "list(api.get_bucket_paths_info('ada/b', ['x']))",
    "api.batch_bucket_files('ada/b', delete=['x'])",
    "api.move_bucket('ada/b', 'ada/c')",
    "api.kernel_info('ada/k')",
    "api.list_spaces_hardware()",
    "api.list_space_templates()",
    "list(api.search_spaces('x'))",
    "api.get_zero_gpu_quota()",
    "api.enable_space_dev_mode(space)",
    "api.disable_space_dev_mode(space)",
    "api.set_space_volumes(space, [])",
    "api.delete_space_volumes(space)",
    "api.request_space_storage(space, 'small')",
    "api.delete_space_storage(space)",
    "list(api.fetch_space_logs(space))",
    "api.run_job(image='x', command=['x'])",
    "api.run_uv_job('print()')",
    "list(api.list_jobs())",
    "api.list_jobs_hardware()",
    "api.inspect_job(job_id='x')",
    "api.cancel_job(job_id='x')",
    "api.rerun_job(job_id='x')",
    "api.wait_for_job('x')",
    "api.update_job_labels(job_id='x', labels={})",
    "api.update_job_expose(job_id='x', expose=[1])",
    "list(api.fetch_job_logs(job_id='x'))",
    "list(api.fetch_job_metrics(job_id='x'))",
    "api.create_scheduled_job(image='x', command=['x'], schedule='@daily')",
    "api.create_scheduled_uv_job('print()', schedule='@daily')",
    "api.list_scheduled_jobs()",
    "api.inspect_scheduled_job(scheduled_job_id='x')",
    "api.suspend_scheduled_job(scheduled_job_id='x')",
    "api.resume_scheduled_job(scheduled_job_id='x')",
    "api.trigger_scheduled_job(scheduled_job_id='x')",
    "api.delete_scheduled_job(scheduled_job_id='x')",
    "api.update_scheduled_job_labels(scheduled_job_id='x', labels={})",
    "api.update_scheduled_job_schedule(scheduled_job_id='x', schedule='@daily')",
    "list(api.list_daily_papers())",
    "list(api.list_papers(query='x'))",
    "api.paper_info('1234.5678')",
    "api.get_dataset_leaderboard('ada/d')",
)
# These ask no hub, or one of its other hosts or its pages, or need what is in the table above.
ELSEWHERE = re.compile(
    r".*inference_(endpoint|catalog).*"
    r"|run_as_future|get_full_repo_name|list_dataset_parquet_files"
    r"|(download|sync|get)_bucket.*|sync_job_volume|upload_attachment|read_paper"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("hfmethods")
    with Hub(folder / "hub" / "data", api_rate="100000/minute") as hub:
        place = Place(hub, folder)
        place.ask("repo.add", type="space", repo="ada/space", visibility="public")
        yield place


@pytest.fixture(params=VERSIONS)
def ada(place: Place, request: pytest.FixtureRequest) -> HfClient:
    return HfClient(place, request.param, place.fresh(), place.token)


def test_every_method_is_looked_at(ada: HfClient) -> None:
    listed = ada.run(
        "print(*[n for n in dir(HfApi) if not n.startswith('_') and callable(getattr(HfApi, n))])"
    )
    texts = "".join(file.read_text() for file in Path(__file__).parent.glob("*.py"))
    named = set(re.findall(r"(\w+)[('\"]", texts))
    methods = set(listed.split())
    assert len(methods) > 100
    assert {m for m in methods - named if not ELSEWHERE.fullmatch(m)} == set()


def test_what_comes_later_says_so(ada: HfClient) -> None:
    ada.run(
        """
        import re
        wrong = {}
        for call in later:
            if not hasattr(api, re.search(r"api[.](\\w+)", call)[1]):
                continue
            try:
                wrong[call] = repr(eval(call))
            except Exception as error:
                response = getattr(error, "response", None)
                told = {} if response is None else response.headers
                told = told.get("X-Error-Message", "")
                # Old clients ask huggingface.co for jobs, whatever the endpoint is.
                if told.endswith("on this hub yet.") and response.status_code == 501:
                    continue
                if response is not None or "huggingface.co" not in repr(error):
                    wrong[call] = f"{error!r} {told}"
        assert not wrong, "\\n".join(map(str, wrong.items()))
        """,
        later=LATER,
        space="ada/space",
    )


def test_lists_of_each_type(ada: HfClient) -> None:
    ada.run(
        """
        for kind, listed in {
            "model": lambda **how: api.list_models(**how),
            "dataset": lambda **how: api.list_datasets(**how),
            "space": lambda **how: api.list_spaces(**how),
        }.items():
            name = f"{repo}-{kind}"
            api.create_repo(name, repo_type=kind, **({"space_sdk": "static"} if kind == "space" else {}))
            for words in (name.split("/")[1], name.split("/")[1].upper()):
                assert [one.id for one in listed(search=words)] == [name], kind
            assert [one.id for one in listed(author="ada", search=name, full=True)] == [name]
            assert not list(listed(author="nemo"))
            assert not list(listed(search=name, filter="none-such"))
            assert api.repo_info(name, repo_type=kind).id == name
        if hasattr(api, "update_repo_visibility"):
            api.update_repo_visibility(repo + "-model", private=True)
            assert api.model_info(repo + "-model").private
        assert isinstance(api.get_dataset_tags(), dict) and isinstance(api.get_model_tags(), dict)
        if hasattr(api, "get_token_permission"):
            assert api.get_token_permission() == "write"
        if hasattr(api, "wait_for_space"):
            assert api.wait_for_space(space, timeout=9).stage == "STOPPED"
        """,
        repo=f"ada/{ada.folder.name}",
        space=f"ada/{ada.folder.name}-space",
    )


def test_files_by_the_rarer_methods(ada: HfClient) -> None:
    """Deleting by patterns, copying between repositories, sending ahead, and verifying."""
    ada.run(
        """
        api.create_repo(repo)
        big = CommitOperationAdd("big.bin", hashlib.sha256(b"x").digest() * 400_000)
        api.preupload_lfs_files(repo, [big])
        adds = [big, *(CommitOperationAdd(f"d/{n}.txt", f"{n}".encode()) for n in range(4))]
        first = api.create_commit(repo, operations=adds, commit_message="One").oid
        if hasattr(api, "delete_files"):
            api.delete_files(repo, ["d/[12].txt"])
        else:
            api.delete_file("d/1.txt", repo), api.delete_file("d/2.txt", repo)
        left = set(api.list_repo_files(repo))
        assert left == {".gitattributes", "big.bin", "d/0.txt", "d/3.txt"}, left
        pull = api.create_pull_request(repo, "A proposal", description="Please")
        assert (pull.is_pull_request, pull.status) == (True, "draft" if pull.status == "draft" else "open")
        assert api.get_discussion_details(repo, pull.num).title == "A proposal"
        if hasattr(api, "resolve_revision"):
            found = api.resolve_revision(repo, revision=first)
            assert first in str(found), found
        if hasattr(api, "verify_repo_checksums"):
            snapshot_download(repo, local_dir="all")
            done = api.verify_repo_checksums(repo, local_dir="all")
            assert not done.mismatches and not done.missing_paths, done
            pathlib.Path("all/d/0.txt").write_text("?")
            assert api.verify_repo_checksums(repo, local_dir="all").mismatches
        """,
        repo=f"ada/{ada.folder.name}",
    )


def test_copies_between_repositories(ada: HfClient) -> None:
    """Of large files too; the client wants them held as chunks for that."""
    ada.extra = {"HF_HUB_DISABLE_XET": "0"}
    ada.run(
        """
        if hasattr(api, "copy_files"):
            data = hashlib.sha256(b"y").digest() * 400_000
            api.create_repo(repo)
            api.create_repo(repo + "-2", private=True)
            for name, content in (("a/big.bin", data), ("a/small.txt", b"small")):
                api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=repo)
            api.copy_files(f"hf://{repo}/a/", f"hf://{repo}-2/b/")
            there = [f for f in api.list_repo_files(repo + "-2") if f.startswith("b/")]
            assert {f.split("/")[-1] for f in there} == {"big.bin", "small.txt"}, there
            for name in there:
                content = pathlib.Path(hf_hub_download(repo + "-2", name)).read_bytes()
                assert content == (data if name.endswith(".bin") else b"small")
        """,
        repo=f"ada/{ada.folder.name}",
    )


def test_what_a_safetensors_file_says(ada: HfClient) -> None:
    ada.run(
        """
        import json
        head = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
        text = json.dumps(head).encode()
        data = len(text).to_bytes(8, "little") + text + bytes(16)
        api.create_repo(repo)
        api.upload_file(path_or_fileobj=data, path_in_repo="model.safetensors", repo_id=repo)
        found = api.parse_safetensors_file_metadata(repo, "model.safetensors")
        assert found.parameter_count == {"F32": 4}
        assert api.get_safetensors_metadata(repo).parameter_count == {"F32": 4}
        """,
        repo=f"ada/{ada.folder.name}",
    )


def test_resource_groups(ada: HfClient) -> None:
    """There are none here: a new repository does not mind, a collection cannot be given one."""
    ada.run(
        """
        api.create_repo(f"ada/{title}", resource_group_id="0" * 24)
        assert api.repo_exists(f"ada/{title}")
        if hasattr(api, "update_collection_resource_group"):
            made = api.create_collection(title, namespace="ada")
            error = refused(
                HfHubHTTPError, lambda: api.update_collection_resource_group(made.slug, "0" * 24)
            )
            assert error.response.status_code == 501, error
        """,
        title=ada.folder.name,
    )
