"""What people have to do with each other, by huggingface_hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.hfkit import VERSIONS, HfClient
from tests.clients.kit import Place
from tests.hubproc import Hub


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("hfsocial")
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


def test_gated_access(place: Place, ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    ada.run("api.update_repo_settings(repo, gated='manual')", repo=repo)
    nobody = HfClient(place, ada.version, place.fresh(), "")
    for who in (bob, nobody):
        who.run(
            """
            assert api.model_info(repo).gated == "manual"
            assert repo in [m.id for m in api.list_models(gated=True)]
            assert repo not in [m.id for m in api.list_models(gated=False)]
            assert "a/small.txt" in api.list_repo_files(repo)
            error = refused(GatedRepoError, lambda: hf_hub_download(repo, "a/small.txt"))
            assert "is restricted" in str(error), error
            refused(GatedRepoError, lambda: snapshot_download(repo))
            refused(GatedRepoError, lambda: api.auth_check(repo))
            refused(HfHubHTTPError, lambda: api.list_pending_access_requests(repo)
                    and list(api.list_pending_access_requests(repo)))
            """,
            repo=repo,
        )
    bob.run(
        """
        import json, urllib.request
        url = f"{os.environ['HF_ENDPOINT']}/api/hub/v1/repos/model/{repo}/access-form"
        headers = {"Authorization": f"Bearer {os.environ['HF_TOKEN']}"}
        headers["Content-Type"] = "application/json"
        asked = urllib.request.urlopen(urllib.request.Request(url, b"{}", headers))
        assert json.load(asked) == {"state": "pending"}
        error = refused(GatedRepoError, lambda: hf_hub_download(repo, "a/small.txt"))
        assert "awaits a review" in str(error), error
        """,
        repo=repo,
    )
    ada.run(
        """
        (asked,) = api.list_pending_access_requests(repo)
        assert (asked.username, asked.status, asked.fields) == ("bob", "pending", None)
        api.accept_access_request(repo, "bob")
        error = refused(HfHubHTTPError, lambda: api.accept_access_request(repo, "bob"))
        assert error.response.status_code == 404
        assert not list(api.list_pending_access_requests(repo))
        assert [r.username for r in api.list_accepted_access_requests(repo)] == ["bob"]
        """,
        repo=repo,
    )
    bob.run(
        "assert open(hf_hub_download(repo, 'a/small.txt')).read() == 'hello'; api.auth_check(repo)",
        repo=repo,
    )


def test_gated_access_is_given_and_taken_back(place: Place, ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    nobody = HfClient(place, ada.version, place.fresh(), "")
    ada.run(
        "api.update_repo_settings(repo, gated='auto'); api.grant_access(repo, 'bob')", repo=repo
    )
    ada.run(
        """
        api.reject_access_request(repo, "bob", rejection_reason="no")
        assert [r.username for r in api.list_rejected_access_requests(repo)] == ["bob"]
        api.cancel_access_request(repo, "bob")
        assert [r.username for r in api.list_pending_access_requests(repo)] == ["bob"]
        """,
        repo=repo,
    )
    bob.run(
        "refused(GatedRepoError, lambda: get_hf_file_metadata(hf_hub_url(repo, 'a/small.txt')))",
        repo=repo,
    )
    ada.run(
        """
        api.grant_access(repo, "bob")
        refused(HfHubHTTPError, lambda: api.grant_access(repo, "bob"))
        refused(HfHubHTTPError, lambda: api.grant_access(repo, "nobody-here"))
        api.update_repo_settings(repo, gated=False)
        refused(HfHubHTTPError, lambda: api.grant_access(repo, "bob"))
        """,
        repo=repo,
    )
    nobody.run("hf_hub_download(repo, 'a/small.txt')", repo=repo)


def test_webhooks(ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    ada.run(
        """
        watched = [{"type": "user", "name": "bob"}, {"type": "org", "name": "acme"}]
        made = api.create_webhook(url="https://example.org/hook", watched=watched, secret="s")
        assert [(w.type, w.name) for w in made.watched] == [("user", "bob"), ("org", "acme")]
        assert sorted(made.domains) == ["discussion", "repo"] and not made.disabled
        assert made.url == "https://example.org/hook" and made.secret is None
        changed = api.update_webhook(made.id, watched=[{"type": "model", "name": repo}])
        assert [(w.type, w.name) for w in changed.watched] == [("model", repo)]
        changed = api.update_webhook(made.id, url="https://example.org/x", domains=["repo"])
        assert [(w.type, w.name) for w in changed.watched] == [("model", repo)]
        assert (changed.url, changed.domains) == ("https://example.org/x", ["repo"])
        assert api.disable_webhook(made.id).disabled and api.get_webhook(made.id).disabled
        assert not api.enable_webhook(made.id).disabled
        assert made.id in [w.id for w in api.list_webhooks()]
        for url in ("ftp://example.org", "http://a:b@example.org"):
            refused(BadRequestError, lambda: api.create_webhook(url=url, watched=watched))
        print(made.id)
        """,
        repo=repo,
    )
    number = ada.run("print(api.list_webhooks()[-1].id)").strip()
    bob.run(
        "assert refused(HfHubHTTPError, lambda: api.get_webhook(n)).response.status_code == 404",
        n=number,
    )
    ada.run(
        """
        api.delete_webhook(n)
        assert refused(HfHubHTTPError, lambda: api.get_webhook(n)).response.status_code == 404
        """,
        n=number,
    )


def test_copies(ada: HfClient, bob: HfClient) -> None:
    if ada.is_old:
        pytest.skip("this client copies Spaces only")
    repo = made(ada, "private=True")
    ada.run(
        """
        big = os.urandom(1000)
        api.upload_file(path_or_fileobj=big, path_in_repo="big.bin", repo_id=repo)
        api.create_tag(repo, tag="v1")
        api.create_branch(repo, branch="side")
        old = [c.commit_id for c in api.list_repo_commits(repo)]
        new = api.duplicate_repo(repo, to_id=repo + "-copy")
        assert new.repo_id == repo + "-copy", new
        assert api.model_info(new.repo_id).private, "no more see it than the original"
        assert [c.commit_id for c in api.list_repo_commits(new.repo_id)] == old
        refs = api.list_repo_refs(new.repo_id)
        assert sorted(b.name for b in refs.branches) == ["main", "side"]
        assert [t.name for t in refs.tags] == ["v1"]
        assert open(hf_hub_download(new.repo_id, "big.bin"), "rb").read() == big
        refused(HfHubHTTPError, lambda: api.duplicate_repo(repo, to_id=repo + "-copy"))
        assert api.duplicate_repo(repo, to_id=repo + "-copy", exist_ok=True).repo_id == new.repo_id
        api.upload_file(path_or_fileobj=b"x", path_in_repo="more.txt", repo_id=new.repo_id)
        assert not api.file_exists(repo, "more.txt")
        """,
        repo=repo,
    )
    bob.run(
        """
        refused(RepositoryNotFoundError, lambda: api.duplicate_repo(repo))
        refused(HfHubHTTPError, lambda: api.duplicate_repo(repo, to_id="ada/stolen"))
        """,
        repo=repo,
    )


def test_a_copy_of_a_space(ada: HfClient) -> None:
    ada.run(
        """
        api.create_repo(repo, repo_type="space", space_sdk="static")
        target, secrets = "acme/" + repo.split("/")[1], [{"key": "K", "value": "v"}]
        if hasattr(api, "duplicate_repo"):
            new = api.duplicate_repo(repo, target, repo_type="space", space_secrets=secrets)
        else:
            new = api.duplicate_space(repo, target, secrets=secrets)
        assert api.space_info(new.repo_id).sdk == "static"
        refused(HfHubHTTPError, lambda: api.add_space_variable(new.repo_id, "K", "v"))
        """,
        repo=f"ada/{ada.folder.name}",
    )


def test_collections(place: Place, ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    secret = made(HfClient(place, ada.version, place.fresh(), place.token), "private=True")
    title = f"My list {ada.folder.name}"
    ada.run(
        """
        one = api.create_collection(title, namespace="ada", description="Said", private=True)
        assert one.slug.startswith("ada/my-list-") and one.private and one.items == []
        again = refused(HfHubHTTPError, lambda: api.create_collection(title, namespace="ada"))
        assert again.response.status_code == 409
        assert api.create_collection(title, namespace="ada", exists_ok=True).slug == one.slug
        api.add_collection_item(one.slug, repo, "model", note="first")
        full = api.add_collection_item(one.slug, secret, "model")
        assert [(i.item_id, i.note) for i in full.items] == [(repo, "first"), (secret, None)]
        error = refused(HfHubHTTPError, lambda: api.add_collection_item(one.slug, repo, "model"))
        assert error.response.status_code == 409
        assert len(api.add_collection_item(one.slug, repo, "model", exists_ok=True).items) == 2
        other = api.create_collection(title + " too", namespace="acme")
        nested = api.add_collection_item(one.slug, other.slug, "collection").items[-1]
        assert (nested.item_type, nested.item_id) == ("collection", other.slug)
        api.update_collection_item(one.slug, nested.item_object_id, position=0, note="up")
        items = api.get_collection(one.slug).items
        assert [i.item_type for i in items] == ["collection", "model", "model"]
        assert items[0].note == "up"
        api.delete_collection_item(one.slug, nested.item_object_id)
        api.delete_collection_item(one.slug, nested.item_object_id, missing_ok=True)
        """,
        repo=repo,
        secret=secret,
        title=title,
    )


def test_who_sees_and_changes_a_collection(place: Place, ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    secret = made(HfClient(place, ada.version, place.fresh(), place.token), "private=True")
    title = f"My list {ada.folder.name}"
    ada.run(
        """
        one = api.create_collection(title, namespace="ada", private=True)
        for name in (repo, secret):
            api.add_collection_item(one.slug, name, "model")
        """,
        repo=repo,
        secret=secret,
        title=title,
    )
    find = "[c for c in api.list_collections(owner='ada') if c.title == title]"
    bob.run(f"assert {find} == []", title=title)
    ada.run(
        f"""
        (one,) = {find}
        new = api.update_collection_metadata(
            one.slug, title=title + "!", description="New", private=False, theme="pink"
        )
        assert (new.title, new.description, new.private, new.theme) == (
            title + "!", "New", False, "pink"
        )
        """,
        title=title,
    )
    bob.run(
        """
        (one,) = [c for c in api.list_collections(item=f"models/{repo}", sort="upvotes", limit=9)]
        assert [i.item_id for i in api.get_collection(one.slug).items] == [repo], "not the private"
        for call in (
            lambda: api.delete_collection(one.slug),
            lambda: api.add_collection_item(one.slug, repo, "dataset"),
            lambda: api.update_collection_metadata(one.slug, title="mine"),
            lambda: api.create_collection("x", namespace="ada"),
        ):
            assert refused(HfHubHTTPError, call).response.status_code in (403, 404)
        """,
        repo=repo,
    )
    ada.run(
        """
        (one,) = [c for c in api.list_collections(item=f"models/{repo}")]
        api.delete_collection(one.slug)
        api.delete_collection(one.slug, missing_ok=True)
        assert refused(HfHubHTTPError, lambda: api.get_collection(one.slug)).response.status_code == 404
        """,
        repo=repo,
    )


def test_large_files_are_found_and_removed(ada: HfClient, bob: HfClient) -> None:
    repo = made(ada)
    ada.run(
        """
        big, old = os.urandom(1000), os.urandom(2000)
        for data, name in ((old, "d/x.bin"), (big, "d/x.bin")):
            api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id=repo)
        files = {f.oid: f for f in api.list_lfs_files(repo)}
        gone = files[hashlib.sha256(old).hexdigest()]
        kept = files[hashlib.sha256(big).hexdigest()]
        assert (gone.filename, gone.size, kept.filename, kept.size) == (
            "d/x.bin", 2000, "d/x.bin", 1000
        )
        first = api.list_repo_commits(repo)[1].commit_id
        assert open(hf_hub_download(repo, "d/x.bin", revision=first), "rb").read() == old
        error = refused(HfHubHTTPError, lambda: api.permanently_delete_lfs_files(repo, [gone]))
        assert error.response.status_code == 501
        api.permanently_delete_lfs_files(repo, [gone], rewrite_history=False)
        assert [f.oid for f in api.list_lfs_files(repo)] == [kept.oid]
        url = hf_hub_url(repo, "d/x.bin", revision=first)
        refused(EntryNotFoundError, lambda: get_hf_file_metadata(url))
        assert open(hf_hub_download(repo, "d/x.bin"), "rb").read() == big
        """,
        repo=repo,
    )
    bob.run(
        """
        (one,) = api.list_lfs_files(repo)
        delete = lambda: api.permanently_delete_lfs_files(repo, [one], rewrite_history=False)
        assert refused(HfHubHTTPError, delete).response.status_code == 403
        """,
        repo=repo,
    )


def test_followers(ada: HfClient, bob: HfClient) -> None:
    bob.run(
        """
        import urllib.request
        def send(method, path):
            headers = {"Authorization": f"Bearer {os.environ['HF_TOKEN']}"}
            url = os.environ["HF_ENDPOINT"] + path
            urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers))
        for path in ("users/ada", "organizations/acme"):
            send("POST", f"/api/{path}/follow")
        assert [u.username for u in api.list_user_followers("ada")] == ["bob"]
        assert [u.username for u in api.list_user_following("bob")] == ["ada"]
        if hasattr(api, "list_organization_followers"):
            assert [u.username for u in api.list_organization_followers("acme")] == ["bob"]
        me = api.get_user_overview("ada")
        assert (me.num_followers, me.is_following) == (1, True)
        assert api.get_organization_overview("acme").num_followers == 1
        send("DELETE", "/api/users/ada/follow")
        assert list(api.list_user_followers("ada")) == []
        refused(HfHubHTTPError, lambda: list(api.list_user_followers("nobody-here")))
        """
    )


def test_what_a_space_runs_with(place: Place, ada: HfClient, bob: HfClient) -> None:
    repo = f"ada/{ada.folder.name}"
    ada.run(
        """
        api.create_repo(
            repo, repo_type="space", space_sdk="gradio",
            space_secrets=[{"key": "FIRST", "value": "kept secret"}],
            space_variables=[{"key": "SHOWN", "value": "1"}],
        )
        api.add_space_secret(repo, "TOKEN", "very secret", description="For there")
        all = api.add_space_variable(repo, "MODE", "fast", description="How")
        assert {k: v.value for k, v in all.items()} == {"MODE": "fast", "SHOWN": "1"}
        assert api.get_space_variables(repo)["MODE"].description == "How"
        assert sorted(api.delete_space_variable(repo, "SHOWN")) == ["MODE"]
        for call in (
            lambda: api.add_space_variable(repo, "TOKEN", "x"),
            lambda: api.add_space_variable(repo, "no name", "x"),
            lambda: api.delete_space_secret(repo, "NONE"),
        ):
            assert refused(HfHubHTTPError, call).response.status_code in (400, 404, 409)
        runtime = api.get_space_runtime(repo)
        assert (runtime.stage, runtime.hardware) == ("STOPPED", None)
        assert "no runner" in runtime.raw["errorMessage"]
        assert api.request_space_hardware(repo, "t4-medium").requested_hardware == "t4-medium"
        assert api.set_space_sleep_time(repo, 600).sleep_time == 600
        assert api.pause_space(repo).stage == "PAUSED"
        assert api.restart_space(repo).stage == "STOPPED"
        again = api.get_space_runtime(repo)
        assert (again.requested_hardware, again.sleep_time) == ("t4-medium", 600)
        """,
        repo=repo,
    )
    if ada.version == "hf2":
        ada.run(
            """
            secrets = api.get_space_secrets(repo)
            assert sorted(secrets) == ["FIRST", "TOKEN"]
            assert secrets["TOKEN"].description == "For there"
            api.delete_space_secret(repo, "FIRST")
            assert sorted(api.get_space_secrets(repo)) == ["TOKEN"]
            """,
            repo=repo,
        )
    bob.run(
        """
        assert api.get_space_runtime(repo).stage == "STOPPED"
        for call in (
            lambda: api.get_space_variables(repo),
            lambda: api.add_space_secret(repo, "X", "x"),
            lambda: api.restart_space(repo),
        ):
            assert refused(HfHubHTTPError, call).response.status_code == 403
        """,
        repo=repo,
    )
    for file in (place.hub.data).glob("hubd.db*"):
        assert b"very secret" not in file.read_bytes()
    assert "very secret" not in place.hub.log()
