"""Apps that people sign in to: the way it goes, and every way that it must not (RFC 9700)."""

from __future__ import annotations

import base64
import secrets
import stat
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.apiclient import Api
from tests.apiworld import World
from tests.formkit import Browser, hidden
from tests.hfwire import ask
from tests.oauthkit import (
    HOME,
    App,
    answered,
    begin,
    fault,
    page_of,
    poll,
    post,
    registered,
    told,
    world_of,
)

Fresh = Callable[[str], str]


@pytest.fixture(scope="module")
def ada_there(world: World) -> Browser:
    return Browser.signed_in(world.hub.http, "ada", "correct horse ada")


@pytest.fixture(params=["public", "confidential"])
def app(world: World, request: pytest.FixtureRequest) -> App:
    return registered(world, public=request.param == "public")


def test_from_consent_to_tokens_and_their_end(world: World, app: App, ada_there: Browser) -> None:
    page = page_of(ada_there, app.asks)
    assert b"An &lt;app&gt;" in page.body
    assert b"Read every repository that you may read." in page.body
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://app.example;" in policy
    assert "frame-ancestors 'none'" in policy
    back = answered(ada_there, app.asks)
    assert back["state"] == "st&te"
    assert back["iss"] == world.hub.http
    made = app.token(back["code"])
    assert made.status == 200, made.body
    assert made.headers["Cache-Control"] == "no-store"
    tokens = made.json
    assert tokens["scope"] == "openid profile read-repos"
    reader = Api(world.hub.http, tokens["access_token"])
    assert ask(reader, "GET", "/ada/secret/resolve/main/README.md").status == 200
    assert ask(reader, "POST", "/api/repos/create", {"name": "no"}).status == 403
    who = ask(reader, "GET", "/oauth/userinfo").json
    assert who["preferred_username"] == "ada"
    assert {org["preferred_username"] for org in who["orgs"]} >= {"lab"}
    assert "email" not in who
    renewed = app.renew(tokens["refresh_token"]).json
    for secret in (tokens["access_token"], renewed["access_token"]):
        assert world_of(world, secret) == "ada"
    assert post(world, "/oauth/revoke", {**app.own, "token": renewed["access_token"]}).status == 200
    for secret in (tokens["access_token"], renewed["access_token"]):
        assert ask(Api(world.hub.http, secret), "GET", "/api/whoami-v2").status == 401
    fault(app.renew(renewed["refresh_token"]), "invalid_grant")


def test_discovery_and_a_signed_word_on_who_it_is(world: World, ada_there: Browser) -> None:
    app = registered(world, public=False)
    found = ask(world.nobody, "GET", "/.well-known/openid-configuration").json
    assert found["issuer"] == world.hub.http
    assert found["code_challenge_methods_supported"] == ["S256"]
    same = ask(world.nobody, "GET", "/.well-known/oauth-authorization-server").json
    assert same == found
    tokens = app.token(answered(ada_there, app.asks)["code"]).json
    keys = ask(world.nobody, "GET", urlsplit(found["jwks_uri"]).path).json
    assert not {"d", "p", "q"} & set(keys["keys"][0])
    claims = jwt.decode(
        tokens["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"]
    ).claims
    assert claims["iss"] == world.hub.http
    assert claims["aud"] == app.client_id
    assert claims["nonce"] == "n1"
    assert claims["preferred_username"] == "ada"
    assert claims["exp"] > time.time()
    who = ask(Api(world.hub.http, tokens["access_token"]), "GET", "/oauth/userinfo").json
    assert who["sub"] == claims["sub"]
    key = world.hub.data / "secrets" / "oauth.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_code_is_good_once_and_its_second_use_ends_everything(
    world: World, app: App, ada_there: Browser
) -> None:
    code = answered(ada_there, app.asks)["code"]
    tokens = app.token(code).json
    fault(app.token(code), "invalid_grant")
    assert ask(Api(world.hub.http, tokens["access_token"]), "GET", "/api/whoami-v2").status == 401
    fault(app.renew(tokens["refresh_token"]), "invalid_grant")


def test_a_refresh_token_is_good_once_and_its_second_use_ends_everything(
    world: World, app: App, ada_there: Browser
) -> None:
    tokens = app.token(answered(ada_there, app.asks)["code"]).json
    newer = app.renew(tokens["refresh_token"]).json
    fault(app.renew(tokens["refresh_token"]), "invalid_grant")
    fault(app.renew(newer["refresh_token"]), "invalid_grant")
    assert ask(Api(world.hub.http, newer["access_token"]), "GET", "/api/whoami-v2").status == 401


def test_codes_for_others_wrong_verifiers_and_addresses(
    world: World, app: App, ada_there: Browser
) -> None:
    other = registered(world, public=True)
    for changes in (
        {"code_verifier": secrets.token_urlsafe(48)},
        {"code_verifier": ""},
        {"code_verifier": "x"},
        {"redirect_uri": "http://127.0.0.1/back"},
        {"redirect_uri": ""},
        {"client_id": other.client_id, "client_secret": ""},
    ):
        code = answered(ada_there, app.asks)["code"]
        fault(app.token(code, **changes), "invalid_grant")
        # It was spent by the attempt.
        fault(app.token(code), "invalid_grant")
    fault(app.token("no such code"), "invalid_grant")
    tokens = app.token(answered(ada_there, app.asks)["code"]).json
    fault(other.renew(tokens["refresh_token"]), "invalid_grant")
    post(world, "/oauth/revoke", {**other.own, "token": tokens["access_token"]})
    assert world_of(world, tokens["access_token"]) == "ada"


def test_who_an_app_is(world: World, ada_there: Browser) -> None:
    app = registered(world, public=False)
    code = answered(ada_there, app.asks)["code"]
    fault(app.token(code, client_secret="hubd_wrong"), "invalid_client", 401)
    fault(app.token(code, client_secret=""), "invalid_client", 401)
    fault(app.token(code, client_id="none"), "invalid_client", 401)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    form["code_verifier"] = app.verifier

    def basic(secret: str) -> str:
        return "Basic " + base64.b64encode(f"{app.client_id}:{secret}".encode()).decode()

    both = post(world, "/oauth/token", {**form, **app.own}, Authorization=basic(app.secret))
    fault(both, "invalid_client", 401)
    wrong = post(world, "/oauth/token", form, Authorization=basic("no"))
    fault(wrong, "invalid_client", 401)
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")
    right = post(world, "/oauth/token", form, Authorization=basic(app.secret))
    assert right.status == 200, right.body
    public = registered(world, public=True)
    fault(public.token("x", client_secret="hubd_some"), "invalid_client", 401)
    fault(
        post(world, "/oauth/token", {**public.own, "grant_type": "password"}),
        "unsupported_grant_type",
    )


def test_nothing_is_sent_where_nobody_registered(world: World, ada_there: Browser) -> None:
    app = registered(world, public=True)
    for uri in (
        "https://evil.example/done?x=1",
        "https://app.example/done",
        "https://app.example/done?x=1&y=2",
        "https://app.example/done?x=1#f",
        "https://app.example.evil.example/done?x=1",
        "https://app.example@evil.example/done?x=1",
        "https://APP.example/done?x=1",
        "http://app.example/done?x=1",
        "https://app.example/other/../done?x=1",
        "http://127.0.0.1.evil.example/back",
        "http://127.0.0.1:80@evil.example/back",
        "http://localhost/back",
        "javascript:alert(1)",
        "",
    ):
        page = page_of(ada_there, {**app.asks, "redirect_uri": uri})
        assert page.status == 400, uri
        assert "Location" not in page.headers
        reply = ada_there.post(
            "/oauth/authorize",
            {**hidden(page_of(ada_there, app.asks)), "redirect_uri": uri, "answer": "allow"},
        )
        assert reply.status == 400, uri
        assert "Location" not in reply.headers
    assert page_of(ada_there, {**app.asks, "client_id": "none"}).status == 400
    twice = "/oauth/authorize?" + urlencode(app.asks) + "&redirect_uri=https://evil.example"
    assert ada_there.get(twice).status == 400
    # A program of the person's own machine may listen at any port.
    loopback = {**app.asks, "redirect_uri": "http://127.0.0.1:43210/back"}
    assert page_of(ada_there, loopback).status == 200


def test_wrong_requests_are_told_to_the_app(world: World, ada_there: Browser) -> None:
    public, confidential = registered(world, public=True), registered(world, public=False)
    for app, changes, code in (
        (public, {"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
        (public, {"code_challenge_method": "plain"}, "invalid_request"),
        (public, {"code_challenge_method": ""}, "invalid_request"),
        (public, {"code_challenge": "short"}, "invalid_request"),
        (public, {"response_type": "token"}, "unsupported_response_type"),
        (public, {"scope": "openid admin"}, "invalid_scope"),
        (public, {"scope": "openid webhooks"}, "invalid_scope"),
        (public, {"prompt": "none"}, "consent_required"),
        (confidential, {"code_challenge_method": "plain"}, "invalid_request"),
        (
            confidential,
            {"code_challenge": "", "code_challenge_method": "", "state": "", "nonce": ""},
            "invalid_request",
        ),
    ):
        asks = {name: value for name, value in {**app.asks, **changes}.items() if value}
        back = told(page_of(ada_there, asks))
        assert back["error"] == code, changes
        assert back.get("state") == asks.get("state")
        assert "code" not in back
    assert answered(ada_there, public.asks, "deny")["error"] == "access_denied"


def test_a_secret_may_stand_in_for_pkce_but_not_be_downgraded(
    world: World, ada_there: Browser
) -> None:
    app = registered(world, public=False)
    plain = {k: v for k, v in app.asks.items() if not k.startswith("code_challenge")}
    fault(app.token(answered(ada_there, plain)["code"]), "invalid_grant")
    made = app.token(answered(ada_there, plain)["code"], code_verifier="")
    assert made.status == 200, made.body


def test_forms_of_other_sites_and_strangers_let_nobody_in(world: World, ada_there: Browser) -> None:
    app = registered(world, public=True)
    signed_out = page_of(Browser(world.hub.http), app.asks)
    assert signed_out.status == 303
    assert signed_out.headers["Location"].startswith("/-/login?next=/oauth/authorize")
    form = {**hidden(page_of(ada_there, app.asks)), "answer": "allow"}
    assert ada_there.post("/oauth/authorize", form, origin="https://evil.example").status == 403
    assert ada_there.post("/oauth/authorize", {**form, "csrf": "no"}).status == 403
    waiting = begin(world)
    device = {"user_code": waiting["user_code"], "answer": "allow"}
    assert ada_there.post("/-/device", device).status == 403
    assert Browser(world.hub.http).post("/-/device", device).status == 303
    fault(poll(world, waiting), "authorization_pending")


def test_a_token_that_only_says_who(world: World, ada_there: Browser) -> None:
    app = registered(world, public=True)
    back = answered(ada_there, {**app.asks, "scope": "openid"})
    secret = app.token(back["code"]).json["access_token"]
    token = Api(world.hub.http, secret)
    assert ask(token, "GET", "/oauth/userinfo").json.keys() == {"sub"}
    assert ask(token, "GET", "/ada/full/resolve/main/README.md").status == 200
    assert ask(token, "GET", "/ada/secret/resolve/main/README.md").status == 404
    assert "ada/secret" not in [m["id"] for m in ask(token, "GET", "/api/models").json]
    assert token.post("/me/tokens", {"name": "more", "scope": "admin"}).status == 403
    assert token.get("/me/grants").status == 403
    # One that its owner made says nothing of the kind.
    assert ask(world.ada, "GET", "/oauth/userinfo").status == 403
    without = answered(ada_there, {**app.asks, "scope": "read-repos"})
    made = app.token(without["code"]).json
    assert "id_token" not in made
    assert ask(Api(world.hub.http, made["access_token"]), "GET", "/oauth/userinfo").status == 403


def test_a_disabled_account_and_the_end_of_a_consent(world: World, fresh: Fresh) -> None:
    name = fresh("erin")
    erin = world.user(name, "correct horse battery")
    there = Browser.signed_in(world.hub.http, name, "correct horse battery")
    app = registered(world, public=True)
    tokens = app.token(answered(there, app.asks)["code"]).json
    code = answered(there, app.asks)["code"]
    assert world.root.put(f"/users/{name}/disabled").status in {200, 204}
    fault(app.token(code), "invalid_grant")
    fault(app.renew(tokens["refresh_token"]), "invalid_grant")
    assert world.root.delete(f"/users/{name}/disabled").status in {200, 204}
    there = Browser.signed_in(world.hub.http, name, "correct horse battery")
    tokens = app.token(answered(there, app.asks)["code"]).json
    for grant in erin.get("/me/grants").json:
        assert world.bob.delete(f"/me/grants/{grant['id']}").status == 404
        assert erin.delete(f"/me/grants/{grant['id']}").status == 204
    assert ask(Api(world.hub.http, tokens["access_token"]), "GET", "/api/whoami-v2").status == 401
    fault(app.renew(tokens["refresh_token"]), "invalid_grant")


def test_apps_belong_to_their_owners(world: World, fresh: Fresh, ada_there: Browser) -> None:
    body = {"name": "Ours", "redirect_uris": [HOME], "scopes": ["openid"], "public": True}
    assert world.bob.post("/namespaces/lab/apps", body).status == 403
    made = world.ada.post("/namespaces/lab/apps", body).json["app"]
    assert made["client_id"] in [
        app["client_id"] for app in world.ada.get("/namespaces/lab/apps").json
    ]
    assert world.bob.get("/namespaces/lab/apps").status == 403
    assert world.bob.delete(f"/namespaces/bob/apps/{made['id']}").status == 404
    assert world.ada.delete(f"/namespaces/ada/apps/{made['id']}").status == 404
    for uris in (["http://app.example/"], ["https://a b/"], ["x"], ["https://a/#f"], ["ftp://a/"]):
        reply = world.ada.post("/namespaces/ada/apps", {**body, "redirect_uris": uris})
        assert reply.status == 400, uris
    assert world.ada.post("/namespaces/ada/apps", {**body, "scopes": ["everything"]}).status == 400
    app = App(world, made["client_id"], "")
    tokens = app.token(answered(ada_there, {**app.asks, "scope": "openid"})["code"]).json
    assert world_of(world, tokens["access_token"]) == "ada"
    assert world.ada.delete(f"/namespaces/lab/apps/{made['id']}").status == 204
    assert ask(Api(world.hub.http, tokens["access_token"]), "GET", "/api/whoami-v2").status == 401
    writer = world.token("ada", "write")
    assert writer.post("/namespaces/ada/apps", body).status == 403


def test_the_page_of_apps(world: World, ada_there: Browser) -> None:
    page = ada_there.get("/-/account/apps")
    assert page.status == 200
    form = {**hidden(page), "name": "<b>Mine</b>", "redirect_uris": HOME, "scopes": "openid"}
    made = ada_there.post("/-/account/apps", form)
    assert b"hubd_" in made.body
    assert b"<b>Mine" not in made.body
    wrong = ada_there.post("/-/account/apps", {**form, "redirect_uris": "http://a.example/"})
    assert wrong.status == 400
    mine = [
        app for app in world.ada.get("/namespaces/ada/apps").json if app["name"] == "<b>Mine</b>"
    ]
    gone = {**hidden(page), "id": str(mine[0]["id"])}
    assert ada_there.post("/-/account/apps/remove", gone).status == 303
    assert not [
        app for app in world.ada.get("/namespaces/ada/apps").json if app["id"] == mine[0]["id"]
    ]
