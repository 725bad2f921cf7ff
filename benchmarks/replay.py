"""nginx that gives the answers to a snapshot which the hub once gave, byte for byte."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import urlopen

import msgspec

from benchmarks.servers import Server, free_port, program, wait_for_port

_CONFIGURATION = """
daemon off;
worker_processes auto;
{user}
pid {place}/nginx.pid;
error_log {place}/nginx-error.log;
events {{ worker_connections 512; }}
http {{
    access_log {place}/nginx-access.log;
    sendfile on;
    etag off;
    map_hash_max_size 262144;
    map_hash_bucket_size 512;
    map $arg_cursor $page {{ {pages} }}
    map $page $next {{ {following} }}
    map $uri $recorded {{ include {place}/etags; }}
    server {{
        listen 127.0.0.1:{port};
        location = /api/models/{repo}/revision/main {{
            default_type application/json;
            alias {place}/info;
        }}
        location = /api/models/{repo}/tree/{sha} {{
            default_type application/json;
            add_header Link $next;
            alias {place}/tree-$page;
        }}
        location /{repo}/resolve/{sha}/ {{
            default_type application/octet-stream;
            add_header ETag $recorded;
            add_header X-Repo-Commit {sha};
            add_header Cache-Control "private, no-cache";
            alias {place}/files/;
        }}
    }}
}}
"""


class Replay(Server):
    """Serves what the hub says of a public model and of its files."""

    def __init__(self, place: Path, hub: str, repo: str, files: Path) -> None:
        super().__init__()
        self._place, self._hub, self._repo, self._files = place, hub, repo, files
        self.port = free_port()

    @property
    def url(self) -> str:
        """What clients take for the hub."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Ask the hub, write its answers down, start nginx."""
        self._place.mkdir(parents=True)
        (self._place / "files").symlink_to(self._files)
        info, _ = _get(f"{self._hub}/api/models/{self._repo}/revision/main")
        (self._place / "info").write_bytes(info)
        sha = str(msgspec.json.decode(info)["sha"])
        cursors, entries = self._record_tree(sha)
        etags = [
            f'"/{self._repo}/resolve/{sha}/{entry["path"]}" \'"{entry["oid"]}"\';'
            for entry in entries
        ]
        (self._place / "etags").write_text("\n".join(etags))
        root = f"{self.url}/api/models/{self._repo}/tree/{sha}?recursive=true"
        links = [f"'<{root}&cursor={cursor}>; rel=\"next\"'" for cursor in cursors]
        text = _CONFIGURATION.format(
            place=self._place,
            user=f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else "",
            port=self.port,
            repo=self._repo,
            sha=sha,
            pages=" ".join(["default 0;", *(f"'{c}' {n};" for n, c in enumerate(cursors, 1))]),
            following=" ".join(["default '';", *(f"{n} {text};" for n, text in enumerate(links))]),
        )
        (self._place / "nginx.conf").write_text(text)
        self._spawn(
            [program("nginx"), "-c", str(self._place / "nginx.conf"), "-p", str(self._place)]
        )
        wait_for_port(self.port)

    def _record_tree(self, sha: str) -> tuple[list[str], list[dict[str, Any]]]:
        """The marks between pages as they stand in addresses, and all files."""
        url = f"{self._hub}/api/models/{self._repo}/tree/{sha}?recursive=true"
        cursors: list[str] = []
        entries: list[dict[str, Any]] = []
        while url:
            page, headers = _get(url)
            (self._place / f"tree-{len(cursors)}").write_bytes(page)
            entries += msgspec.json.decode(page)
            found = re.match(r"<([^>]+)>", headers.get("Link", ""))
            url = found[1] if found else ""
            if url:
                cursors.append(quote(parse_qs(urlsplit(url).query)["cursor"][0], safe=""))
        return cursors, [entry for entry in entries if entry["type"] == "file"]


def _get(url: str) -> tuple[bytes, Mapping[str, str]]:
    with urlopen(url, timeout=60) as answer:
        return answer.read(), answer.headers
