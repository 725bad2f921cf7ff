"""A browser without a screen: cookies, forms with their hidden fields, and redirects as they come."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.apiclient import Api, Reply

_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


def cookies_of(reply: Reply) -> str:
    """What a browser would send back."""
    return "; ".join(c.partition(";")[0] for c in reply.headers.get_all("Set-Cookie", []))


def hidden(page: Reply) -> dict[str, str]:
    """The hidden fields of a page's forms, the last of each name."""
    found = _HIDDEN.findall(page.body.decode())
    return {name: html.unescape(value) for name, value in found}


@dataclass(frozen=True)
class Browser:
    """A browser with its cookies."""

    url: str
    cookie: str = ""

    @classmethod
    def signed_in(cls, url: str, name: str, password: str) -> Browser:
        """One in which somebody signed in."""
        page = cls(url).get("/-/login")
        form = {**hidden(page), "name": name, "password": password}
        reply = cls(url, cookies_of(page)).post("/-/login", form)
        assert reply.status == 303, reply.body
        return cls(url, cookies_of(reply))

    def get(self, path: str) -> Reply:
        """A page."""
        return Api(self.url).send("GET", path, headers={"Cookie": self.cookie})

    def post(self, path: str, form: dict[str, str], origin: str | None = None) -> Reply:
        """A form, sent from a page of this hub unless told otherwise."""
        headers = {
            "Cookie": self.cookie,
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.url if origin is None else origin,
        }
        return Api(self.url).send("POST", path, data=urlencode(form).encode(), headers=headers)
