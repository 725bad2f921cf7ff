"""Apps and devices that ask to be let in, by hand, and people that answer."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.apiclient import Api, Reply
from tests.apiworld import World
from tests.formkit import Browser, hidden
from tests.hfwire import ask

HOME = "https://app.example/done?x=1"
CLI = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def post(world: World, path: str, form: dict[str, str], **headers: str) -> Reply:
    """A form as an app sends it."""
    headers |= {"Content-Type": "application/x-www-form-urlencoded"}
    return Api(world.hub.http).send("POST", path, data=urlencode(form).encode(), headers=headers)


def fault(reply: Reply, code: str, status: int = 400) -> None:
    """Check a refusal in OAuth's words."""
    assert reply.status == status, reply.body
    assert reply.json["error"] == code, reply.json
    assert reply.json["error_description"]
    assert reply.headers["Cache-Control"] == "no-store"


@dataclass
class App:
    """A registered app with one attempt at PKCE."""

    world: World
    client_id: str
    secret: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def asks(self) -> dict[str, str]:
        """What it sends through the browser."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return {
            "client_id": self.client_id,
            "redirect_uri": HOME,
            "response_type": "code",
            "scope": "openid profile read-repos",
            "state": "st&te",
            "nonce": "n1",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }

    @property
    def own(self) -> dict[str, str]:
        """Its own credential."""
        secret = {"client_secret": self.secret} if self.secret else {}
        return {"client_id": self.client_id, **secret}

    def token(self, code: str, **changes: str) -> Reply:
        """Exchange a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": HOME,
            "code_verifier": self.verifier,
        }
        form = {k: v for k, v in {**self.own, **form, **changes}.items() if v}
        return post(self.world, "/oauth/token", form)

    def renew(self, secret: str) -> Reply:
        """Exchange a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": secret}
        return post(self.world, "/oauth/token", {**self.own, **form})


def registered(world: World, *, public: bool, **more: Any) -> App:
    body = {
        "name": "An <app>",
        "redirect_uris": [HOME, "http://127.0.0.1/back"],
        "scopes": ["openid", "profile", "read-repos", "write-repos"],
        "public": public,
        **more,
    }
    made = world.bob.post("/namespaces/bob/apps", body)
    assert made.status == 201, made.body
    assert bool(made.json["secret"]) is not public
    return App(world, made.json["app"]["client_id"], made.json["secret"])


def page_of(browser: Browser, asks: dict[str, str]) -> Reply:
    return browser.get("/oauth/authorize?" + urlencode(asks))


def answered(browser: Browser, asks: dict[str, str], answer: str = "allow") -> dict[str, str]:
    """What the app is told once the person has answered."""
    page = page_of(browser, asks)
    assert page.status == 200, page.body
    reply = browser.post("/oauth/authorize", {**hidden(page), "answer": answer})
    return told(reply)


def told(reply: Reply) -> dict[str, str]:
    assert reply.status == 303, reply.body
    where = urlsplit(reply.headers["Location"])
    assert reply.headers["Location"].startswith(HOME + "&")
    return {name: values[-1] for name, values in parse_qs(where.query).items()}


def world_of(world: World, secret: str) -> str:
    return str(ask(Api(world.hub.http, secret), "GET", "/api/whoami-v2").json["name"])


def begin(world: World, client_id: str = CLI) -> dict[str, Any]:
    reply = post(world, "/oauth/device", {"client_id": client_id})
    assert reply.status == 200, reply.body
    return dict(reply.json)


def poll(world: World, waiting: dict[str, Any], client_id: str = CLI) -> Reply:
    form = {"grant_type": DEVICE, "device_code": waiting["device_code"], "client_id": client_id}
    return post(world, "/oauth/token", form)


def let_in(browser: Browser, code: str, answer: str = "allow") -> Reply:
    page = browser.get("/-/device?" + urlencode({"user_code": code}))
    return browser.post("/-/device", {**hidden(page), "answer": answer})
