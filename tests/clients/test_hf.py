"""huggingface_hub and the ``hf`` command, unmodified, against this hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.hfkit import VERSIONS, HfClient
from tests.clients.kit import Place
from tests.hubproc import Hub


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("hf")
    with Hub(folder / "hub" / "data", log_format="json", api_rate="100000/minute") as hub:
        place = Place(hub, folder)
        place.ask("user.add", name="bob")
        place.ask("org.add", name="acme", owner="ada")
        yield place


@pytest.fixture(params=VERSIONS)
def ada(place: Place, request: pytest.FixtureRequest) -> HfClient:
    return HfClient(place, request.param, place.fresh(), place.token)


@pytest.fixture
def bob(place: Place, ada: HfClient) -> HfClient:
    token = str(place.ask("token.add", user="bob", scope="write"))
    return HfClient(place, ada.version, place.fresh(), token)


def made(ada: HfClient, *options: str) -> str:
    """A new repository, with one file."""
    name = f"ada/{ada.folder.name}"
    extra = "".join(f", {option}" for option in options)
    ada.run(
        f"api.create_repo(repo{extra})\n"
        "api.upload_file(path_or_fileobj=b'hello', path_in_repo='a/small.txt', repo_id=repo)",
        repo=name,
    )
    return name


def test_who_am_i(place: Place, ada: HfClient) -> None:
    ada.run("""
        me = api.whoami()
        assert me["name"] == "ada" and me["type"] == "user"
        assert [(org["name"], org["roleInOrg"]) for org in me["orgs"]] == [("acme", "admin")]
        assert me["auth"]["accessToken"]["role"] == "write"
    """)
    reader = str(place.ask("token.add", user="ada", scope="read"))
    ada.run("assert api.whoami(token=t)['auth']['accessToken']['role'] == 'read'", t=reader)
    ada.run("""
        error = refused(Exception, lambda: HfApi(token="hubd_" + "x" * 43).whoami())
        assert "Invalid user token" in str(error), error
    """)
    assert "ada" in ada.cli("auth", "whoami")
    ada.run("""
        assert api.get_user_overview("ada").orgs[0].name == "acme"
        assert api.get_organization_overview("acme").num_users == 1
        assert [m.username for m in api.list_organization_members("acme")] == ["ada"]
    """)


def test_repositories_come_move_and_go(ada: HfClient) -> None:
    ada.run(
        """
        for kind, prefix in {"model": "", "dataset": "datasets/", "space": "spaces/"}.items():
            sdk = {"space_sdk": "gradio"} if kind == "space" else {}
            url = api.create_repo(repo, repo_type=kind, **sdk)
            assert str(url) == f"{os.environ['HF_ENDPOINT']}/{prefix}{repo}", url
            assert url.repo_id == repo and url.repo_type == kind
            again = api.create_repo(repo, repo_type=kind, exist_ok=True, **sdk)
            assert again.repo_id == repo
            error = refused(HfHubHTTPError, lambda: api.create_repo(repo, repo_type=kind, **sdk))
            assert error.response.status_code == 409
            assert api.repo_exists(repo, repo_type=kind)
            assert ".gitattributes" in api.list_repo_files(repo, repo_type=kind)
            api.move_repo(repo, repo + "-new", repo_type=kind)
            assert api.repo_info(repo, repo_type=kind).id == repo + "-new"
            api.delete_repo(repo + "-new", repo_type=kind)
            assert not api.repo_exists(repo + "-new", repo_type=kind)
        refused(RepositoryNotFoundError, lambda: api.delete_repo(repo))
        api.delete_repo(repo, missing_ok=True)
        assert api.create_repo("acme/" + repo.split("/")[1]).repo_id.startswith("acme/")
        """,
        repo=f"ada/{ada.folder.name}",
    )


def test_a_private_repository_is_none_for_strangers(
    place: Place, ada: HfClient, bob: HfClient
) -> None:
    repo = made(ada, "private=True")
    nobody = HfClient(place, ada.version, place.fresh(), "")
    script = """
        for name in (repo, "ada/none"):
            refused(RepositoryNotFoundError, lambda: api.model_info(name))
            refused(RepositoryNotFoundError, lambda: hf_hub_download(name, "a/small.txt"))
            refused(RepositoryNotFoundError, lambda: api.list_repo_files(name))
            refused(RepositoryNotFoundError, lambda: snapshot_download(name))
        assert repo not in [m.id for m in api.list_models()]
    """
    bob.run(script, repo=repo)
    nobody.run(script, repo=repo)
    ada.run(
        """
        assert api.model_info(repo).private
        assert repo in [m.id for m in api.list_models(author="ada")]
        api.update_repo_settings(repo, private=False)
        """,
        repo=repo,
    )
    nobody.run(
        "assert not api.model_info(repo).private; hf_hub_download(repo, 'a/small.txt')", repo=repo
    )
    bob.run(
        """
        upload = lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)
        assert refused(HfHubHTTPError, upload).response.status_code == 403
        """,
        repo=repo,
    )


def test_files_small_and_large_go_in_and_come_out(place: Place, ada: HfClient) -> None:
    repo = made(ada)
    big, small = ada.folder / "big.dat", ada.folder / "model.safetensors"
    big.write_bytes(os.urandom(11_000_000))
    small.write_bytes(b"\x08" + b"\0" * 2000)
    ada.run(
        """
        for name in ("big.dat", "model.safetensors"):
            api.upload_file(path_or_fileobj=name, path_in_repo="d/" + name, repo_id=repo)
            with open(hf_hub_download(repo, "d/" + name), "rb") as got, open(name, "rb") as sent:
                assert got.read() == sent.read()
        assert open(hf_hub_download(repo, "a/small.txt")).read() == "hello"
        files = {f.path: f for f in api.get_paths_info(repo, ["d/big.dat", "a/small.txt", "a", "zz"])}
        assert set(files) == {"d/big.dat", "a/small.txt", "a"}
        assert files["d/big.dat"].size == 11_000_000 and files["a/small.txt"].lfs is None
        assert files["d/big.dat"].lfs.sha256 == hashlib.sha256(open("big.dat", "rb").read()).hexdigest()
        """,
        repo=repo,
    )
    # The same bytes again: nothing is sent.
    asked = ada.requests(
        "api.upload_file(path_or_fileobj='big.dat', path_in_repo='d/big.dat', repo_id=repo)",
        repo=repo,
    )
    assert not [path for method, path in asked if method == "PUT" or "/commit/" in path]
    # What is in the cache is asked for, and not fetched.
    asked = ada.requests("hf_hub_download(repo, 'd/big.dat')", repo=repo)
    assert asked == [("HEAD", f"/{repo}/resolve/main/d/big.dat")]
    # A git client gets the same.
    copy = place.fresh()
    place.git("clone", "-q", place.url("http", repo), copy)
    place.git("lfs", "install", "--local", cwd=copy)
    place.git("lfs", "pull", cwd=copy)
    assert (copy / "d" / "big.dat").read_bytes() == big.read_bytes()
    assert place.git("status", "--porcelain", cwd=copy) == ""


def test_folders_go_up_and_come_down_whole(ada: HfClient) -> None:
    repo = made(ada)
    tree = ada.folder / "tree"
    for number in range(40):
        path = tree / f"d{number % 5}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}")
    (tree / "weights.bin").write_bytes(os.urandom(5000))
    (tree / "empty.bin").touch()
    (tree / "wörter #1 [x].txt").write_text("ä")
    (tree / ".gitignore").write_text("*.log\n")
    (tree / "x.log").write_text("not this")
    ada.run(
        """
        api.upload_folder(folder_path="tree", repo_id=repo)
        here = {p.relative_to("tree").as_posix(): p.read_bytes() for p in pathlib.Path("tree").rglob("*") if p.is_file()}
        del here["x.log"]
        down = pathlib.Path(snapshot_download(repo, ignore_patterns=[".gitattributes", "a/*"]))
        there = {p.relative_to(down).as_posix(): p.read_bytes() for p in down.rglob("*") if p.is_file()}
        assert here == there, set(here) ^ set(there)
        assert set(api.list_repo_files(repo)) >= set(here)
        only = pathlib.Path(snapshot_download(repo, allow_patterns="d1/*", local_dir="some"))
        assert len(list(only.rglob("*.txt"))) == 8
        """,
        repo=repo,
    )


def test_commits_with_all_kinds_of_changes(ada: HfClient) -> None:
    repo = made(ada)
    ada.run(
        """
        add = lambda path, data: CommitOperationAdd(path, data)
        first = api.create_commit(repo, [add("x/1.txt", b"1"), add("x/2.txt", b"2"), add("y.bin", b"\\0" * 999)], commit_message="One", commit_description="More.")
        assert first.commit_url == f"{os.environ['HF_ENDPOINT']}/{repo}/commit/{first.oid}"
        done = api.create_commit(
            repo,
            [
                CommitOperationCopy("a/small.txt", "copied.txt"),
                CommitOperationCopy("y.bin", "z.bin"),
                CommitOperationDelete("x/"),
                CommitOperationDelete("a/small.txt"),
                add("new.txt", b"new"),
            ],
            commit_message="Two",
            parent_commit=first.oid,
        )
        assert api.list_repo_files(repo) == [".gitattributes", "copied.txt", "new.txt", "y.bin", "z.bin"]
        assert open(hf_hub_download(repo, "copied.txt")).read() == "hello"
        assert open(hf_hub_download(repo, "z.bin"), "rb").read() == bytes(999)
        stale = lambda: api.create_commit(repo, [add("l", b"")], commit_message="Late", parent_commit=first.oid)
        assert refused(HfHubHTTPError, stale).response.status_code == 412
        missing = refused(EntryNotFoundError, lambda: api.delete_file("none.txt", repo))
        assert "trailing '/'" in str(missing)
        refused(RevisionNotFoundError, lambda: api.create_commit(repo, [add("l", b"")], commit_message="No", revision="nope"))
        assert refused(HfHubHTTPError, lambda: api.create_commit(repo, [add("a\\\\b", b"")], commit_message="Bad")).response.status_code == 400
        titles = [c.title for c in api.list_repo_commits(repo)]
        assert titles == ["Two", "One", "Upload a/small.txt with huggingface_hub", "initial commit"], titles
        assert api.list_repo_commits(repo)[1].message == "More."
        api.delete_file("new.txt", repo)
        refused(EntryNotFoundError, lambda: api.delete_folder("nothing", repo))
        """,
        repo=repo,
    )


def test_concurrent_commits_lose_none(ada: HfClient) -> None:
    repo = made(ada)
    ada.run(
        """
        from concurrent.futures import ThreadPoolExecutor
        def one(n):
            return api.create_commit(repo, [CommitOperationAdd(f"f{n}.txt", str(n).encode())], commit_message=f"Number {n}")
        with ThreadPoolExecutor(8) as pool:
            assert len({c.oid for c in pool.map(one, range(16))}) == 16
        assert {f"f{n}.txt" for n in range(16)} <= set(api.list_repo_files(repo))
        """,
        repo=repo,
    )


def test_branches_and_tags(ada: HfClient) -> None:
    repo = made(ada)
    ada.run(
        """
        api.create_branch(repo, branch="feature/x")
        refused(HfHubHTTPError, lambda: api.create_branch(repo, branch="feature/x"))
        api.create_branch(repo, branch="feature/x", exist_ok=True)
        api.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id=repo, revision="feature/x")
        assert "b.txt" not in api.list_repo_files(repo)
        assert "b.txt" in api.list_repo_files(repo, revision="feature/x")
        assert open(hf_hub_download(repo, "b.txt", revision="feature/x")).read() == "b"
        api.create_tag(repo, tag="v1", tag_message="First")
        api.create_tag(repo, tag="v2", revision="feature/x")
        assert refused(HfHubHTTPError, lambda: api.create_tag(repo, tag="v1")).response.status_code == 409
        refs = api.list_repo_refs(repo)
        main = api.model_info(repo).sha
        assert {b.name: b.target_commit for b in refs.branches}["main"] == main
        assert {t.name: t.target_commit for t in refs.tags}["v1"] == main
        assert api.model_info(repo, revision="v2").sha == api.model_info(repo, revision="feature/x").sha != main
        api.super_squash_history(repo, branch="feature/x", commit_message="All")
        assert [c.title for c in api.list_repo_commits(repo, revision="feature/x")] == ["All"]
        assert "b.txt" in api.list_repo_files(repo, revision="feature/x")
        api.delete_tag(repo, tag="v1")
        refused(RevisionNotFoundError, lambda: api.delete_tag(repo, tag="v1"))
        api.delete_branch(repo, branch="feature/x")
        refused(RevisionNotFoundError, lambda: api.list_repo_files(repo, revision="feature/x"))
        refused(HfHubHTTPError, lambda: api.delete_branch(repo, branch="main"))
        """,
        repo=repo,
    )


def test_listings_and_the_file_system(ada: HfClient) -> None:
    repo = made(ada)
    (ada.folder / "big.dat").write_bytes(bytes(range(256)) * 50_000)
    ada.run(
        """
        api.upload_file(path_or_fileobj="big.dat", path_in_repo="data/big.dat", repo_id=repo)
        whole = {e.path: e for e in api.list_repo_tree(repo, recursive=True, expand=True)}
        assert set(whole) == {".gitattributes", "a", "a/small.txt", "data", "data/big.dat"}
        assert whole["a/small.txt"].last_commit.title.startswith("Upload a/small.txt")
        assert whole["data/big.dat"].lfs.size == 12_800_000
        assert [e.path for e in api.list_repo_tree(repo, "data")] == ["data/big.dat"]
        refused(EntryNotFoundError, lambda: list(api.list_repo_tree(repo, "none")))
        fs = HfFileSystem()
        assert sorted(fs.ls(repo, detail=False)) == [f"{repo}/{n}" for n in (".gitattributes", "a", "data")]
        assert fs.info(f"{repo}/data/big.dat")["size"] == 12_800_000
        with fs.open(f"{repo}/data/big.dat") as f:
            f.seek(6_000_000)
            assert f.read(300) == (bytes(range(256)) * 3)[128:428]
        assert fs.cat_file(f"{repo}/a/small.txt", start=1, end=4) == b"ell"
        with fs.open(f"{repo}/w.txt", "w") as f:
            f.write("written")
        assert fs.read_text(f"{repo}/w.txt") == "written"
        assert fs.glob(f"{repo}/**/*.txt") == [f"{repo}/a/small.txt", f"{repo}/w.txt"]
        fs.rm(f"{repo}/w.txt")
        assert not fs.exists(f"{repo}/w.txt")
        """,
        repo=repo,
    )


def test_what_is_missing_is_told_apart(ada: HfClient) -> None:
    repo = made(ada)
    ada.run(
        """
        refused(RepositoryNotFoundError, lambda: hf_hub_download("ada/none", "x"))
        refused(RepositoryNotFoundError, lambda: hf_hub_download("gpt2", "x"))
        refused(RevisionNotFoundError, lambda: hf_hub_download(repo, "a/small.txt", revision="none"))
        refused(EntryNotFoundError, lambda: hf_hub_download(repo, "none.txt"))
        refused(EntryNotFoundError, lambda: hf_hub_download(repo, "a"))
        assert api.file_exists(repo, "a/small.txt") and not api.file_exists(repo, "none.txt")
        assert api.revision_exists(repo, "main") and not api.revision_exists(repo, "none")
        url = hf_hub_url(repo, "a/small.txt")
        meta = get_hf_file_metadata(url)
        assert meta.size == 5 and meta.commit_hash == api.model_info(repo).sha
        error = refused(HfHubHTTPError, lambda: api.paper_info("2307.09288"))
        assert error.response.status_code == 501 and "not there on this hub yet" in str(error)
        """,
        repo=repo,
    )


def test_cards_lists_and_likes(ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    push = (
        "card.push_to_hub(repo)"
        if ada.version == "hf2"
        else (
            "api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo='README.md', repo_id=repo)"
        )
    )
    ada.run(
        f"""
        card = ModelCard("---\\nlicense: mit\\npipeline_tag: text-classification\\nlanguage: [en, 'no']\\ntags: [{{tag}}]\\n---\\n# Hello\\n".replace("{{tag}}", tag))
        {push}
        assert ModelCard.load(repo).data.license == "mit"
        info = api.model_info(repo)
        assert info.pipeline_tag == "text-classification" and "license:mit" in info.tags
        assert info.card_data.language == ["en", "no"]
        assert set(vars(api.model_info(repo, expand=["likes", "tags"]))) >= {{"likes", "tags"}}
        for found in (
            api.list_models(filter=tag), api.list_models(filter=[tag, "license:mit"]),
            api.list_models(search=repo.split("/")[1]), api.list_models(author="ada", filter=tag),
        ):
            assert [m.id for m in found] == [repo]
        assert list(api.list_models(filter=[tag, "license:gpl"])) == []
        assert list(api.list_models(author="nobody-here")) == []
        assert [m.card_data.license for m in api.list_models(filter=tag, cardData=True)] == ["mit"]
        assert len(list(api.list_models(limit=1))) == 1
        names = [m.id for m in api.list_models(sort="created_at")]
        assert repo in names and "license:mit" in str(api.get_model_tags())
        bad = b"---\\nlicense: [\\n---\\n"
        refused(ValueError, lambda: api.upload_file(path_or_fileobj=bad, path_in_repo="README.md", repo_id=repo))
        """,
        repo=repo,
        tag=f"tag-{ada.folder.name}",
    )
    bob.run(
        """
        import urllib.request
        headers = {"Authorization": f"Bearer {os.environ['HF_TOKEN']}"}
        url = f"{os.environ['HF_ENDPOINT']}/api/models/{repo}/like"
        urllib.request.urlopen(urllib.request.Request(url, method="POST", headers=headers))
        assert api.model_info(repo).likes == 1
        assert [u.username for u in api.list_repo_likers(repo)] == ["bob"]
        assert repo in api.list_liked_repos("bob").models
        api.unlike(repo)
        assert list(api.list_repo_likers(repo)) == []
        """,
        repo=repo,
    )


def test_pull_requests_and_discussions(ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    bob.run(
        """
        done = api.upload_file(path_or_fileobj=b"better", path_in_repo="a/small.txt", repo_id=repo, create_pr=True, commit_message="Better")
        assert done.pr_num == 1 and done.pr_revision == "refs/pr/1"
        api.upload_file(path_or_fileobj=b"more", path_in_repo="more.txt", repo_id=repo, revision="refs/pr/1")
        assert "more.txt" in api.list_repo_files(repo, revision="refs/pr/1")
        # A reader's large file goes the client's usual way.
        api.upload_file(path_or_fileobj=bytes(range(256)) * 8000, path_in_repo="w.safetensors.bin", repo_id=repo, revision="refs/pr/1")
        talk = api.create_discussion(repo, title="A question", description="Why?")
        assert talk.num == 2
        comment = api.comment_discussion(repo, talk.num, comment="Because")
        api.edit_discussion_comment(repo, talk.num, comment.id, new_content="Because!")
        api.rename_discussion(repo, talk.num, new_title="An answer")
        api.change_discussion_status(repo, talk.num, new_status="closed")
        api.hide_discussion_comment(repo, talk.num, comment.id)
        """,
        repo=repo,
    )
    ada.run(
        """
        pull, talk = (api.get_discussion_details(repo, n) for n in (1, 2))
        assert pull.is_pull_request and pull.status == "open" and pull.conflicting_files in (None, [], False)
        assert "Better" in [e.summary for e in pull.events if e.type == "commit"]
        assert (talk.title, talk.status) == ("An answer", "closed")
        assert {d.num for d in api.get_repo_discussions(repo)} == {1, 2}
        assert [d.num for d in api.get_repo_discussions(repo, discussion_type="pull_request")] == [1]
        assert [r.ref for r in api.list_repo_refs(repo, include_pull_requests=True).pull_requests] == ["refs/pr/1"]
        api.merge_pull_request(repo, 1, comment="Thanks")
        assert api.get_discussion_details(repo, 1).status == "merged"
        assert open(hf_hub_download(repo, "a/small.txt")).read() == "better"
        assert open(hf_hub_download(repo, "w.safetensors.bin"), "rb").read() == bytes(range(256)) * 8000
        assert "more.txt" in api.list_repo_files(repo)
        """,
        repo=repo,
    )


def test_the_command_line(ada: HfClient) -> None:
    repo = f"ada/{ada.folder.name}"
    tree = ada.folder / "tree"
    tree.mkdir(parents=True)
    (tree / "one.txt").write_text("one")
    (tree / "two.bin").write_bytes(os.urandom(3000))
    ada.cli("upload", repo, "tree", ".")
    ada.cli("download", repo, "--local-dir", "down")
    for name in ("one.txt", "two.bin"):
        assert (ada.folder / "down" / name).read_bytes() == (tree / name).read_bytes()
    assert "one.txt" in ada.cli("download", repo, "one.txt")
