"""A bare client of the JSON API: what is sent is what the test says, and nothing follows."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

PREFIX = "/api/hub/v1"


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body; fails unless it is JSON and says so."""
        assert self.headers["Content-Type"].startswith("application/json"), self.headers.items()
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error; fails unless it has the one shape."""
        error = self.json["error"]
        assert set(error) >= {"code", "message", "request_id"}, error
        assert error["request_id"] == self.headers["X-Request-Id"]
        return dict(error)

    @property
    def next(self) -> str | None:
        """The address of the next page, below the API's prefix."""
        link = self.headers.get("Link")
        if link is None:
            return None
        url, _, rel = link.partition(">; ")
        assert rel == 'rel="next"'
        split = urlsplit(url.removeprefix("<"))
        return f"{split.path.removeprefix(PREFIX)}?{split.query}"


class Api:
    """The API of a hub, with one credential."""

    def __init__(self, hub_url: str, token: str = "") -> None:
        self.url = hub_url
        self.token = token

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request as it stands; ``path`` is from the root."""
        split = urlsplit(self.url)
        assert split.hostname is not None
        target = path + (f"?{urlencode(query)}" if query else "")
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        connection = http.client.HTTPConnection(split.hostname, split.port, timeout=30)
        try:
            connection.request(method, target, body=data, headers={**sent, **(headers or {})})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, body: object = None, /, **query: object) -> Reply:
        """A method on a path below the API's prefix, with a JSON body or none."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self.send(method, PREFIX + path, query=query, data=data, headers=headers)

    def get(self, path: str, /, **query: object) -> Reply:
        """GET."""
        return self.call("GET", path, **query)

    def post(self, path: str, body: object) -> Reply:
        """POST."""
        return self.call("POST", path, body)

    def put(self, path: str, body: object = None) -> Reply:
        """PUT."""
        return self.call("PUT", path, body)

    def patch(self, path: str, body: object) -> Reply:
        """PATCH."""
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Reply:
        """DELETE."""
        return self.call("DELETE", path)


def basic(user: str, password: str) -> dict[str, str]:
    """The header of Basic sign-in."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
