"""``hf auth login`` without a token: the client shows a code, and a browser lets it in."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.hfkit import HfClient
from tests.clients.kit import Place
from tests.formkit import Browser, hidden
from tests.hubproc import Hub

PASSWORD = "correct horse battery"
VERSIONS = ("hf2", pytest.param("hf1", marks=pytest.mark.soak))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("login")
    with Hub(folder / "hub" / "data", api_rate="100000/minute") as hub:
        made = Place(hub, folder)
        hub.admin("user", "passwd", "ada", "--password-stdin", stdin=PASSWORD + "\n")
        yield made


@pytest.fixture(params=VERSIONS)
def newcomer(place: Place, request: pytest.FixtureRequest) -> HfClient:
    """A machine without a token."""
    client = HfClient(place, request.param, place.fresh(), "")
    client.folder.mkdir(parents=True)
    return client


def _login(newcomer: HfClient, answer: str) -> tuple[int, str]:
    """Sign in by the command line, answered in ada's browser; exit code and output."""
    hub = newcomer.place.hub
    argv = [str(newcomer.bin / "hf"), "auth", "login"]
    env = {**newcomer.env, "PYTHONUNBUFFERED": "1", "BROWSER": "true"}
    with subprocess.Popen(
        argv,
        env=env,
        cwd=newcomer.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as login:
        assert login.stdout is not None
        said = ""
        while not (found := re.search(r"http://\S+user_code=[A-Z]{4}-[A-Z]{4}", said)):
            line = login.stdout.readline()
            assert line, said
            said += line
        browser = Browser.signed_in(hub.http, "ada", PASSWORD)
        address = urlsplit(found[0])
        page = browser.get(f"{address.path}?{address.query}")
        reply = browser.post("/-/device", {**hidden(page), "answer": answer})
        assert reply.status == 303, reply.body
        rest, _ = login.communicate(timeout=60)
    return login.returncode, said + rest


def test_a_browser_lets_the_client_in(newcomer: HfClient) -> None:
    code, said = _login(newcomer, "allow")
    assert code == 0, said
    assert "ada" in newcomer.cli("auth", "whoami")
    assert "hf auth login" in newcomer.cli("auth", "list").replace("_", " ").replace("-", " ")
    repo = f"ada/{newcomer.folder.name}"
    newcomer.run(
        """
        api.create_repo(repo, private=True)
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo)
        assert open(hf_hub_download(repo, "x.txt")).read() == "x"
        """,
        repo=repo,
    )
    # A day before its end the client renews it by itself; here it is made to believe so.
    newcomer.run(
        """
        import re, time
        from huggingface_hub import get_token
        from huggingface_hub.constants import HF_STORED_TOKENS_PATH
        old = get_token()
        stored = pathlib.Path(HF_STORED_TOKENS_PATH)
        text, count = re.subn(r"(expires_at\\s*=\\s*)\\d+", rf"\\g<1>{int(time.time()) + 60}", stored.read_text())
        assert count == 1, text
        stored.write_text(text)
        from huggingface_hub.utils import _auth
        _auth._OAUTH_REFRESH_CACHE = None
        new = get_token()
        assert new != old and api.whoami(token=new)["name"] == "ada"
        """
    )
    newcomer.cli("auth", "logout")


def test_a_browser_says_no(newcomer: HfClient) -> None:
    code, said = _login(newcomer, "deny")
    assert code != 0
    assert "denied" in said
    newcomer.run("refused(Exception, api.whoami)")
