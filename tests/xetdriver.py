"""Drives hf_xet, the native client of huggingface_hub: one request as JSON on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any

import hf_xet


def upload(asked: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    """Send files; what the client says of each."""
    with hf_xet.XetSession().new_upload_commit(**place) as commit:
        handles = [
            commit.start_upload_file(file, sha256=hf_xet.COMPUTE_SHA256) for file in asked["files"]
        ]
    infos = [handle.result().xet_info for handle in handles]
    return [{"hash": one.hash, "sha256": one.sha256, "size": one.file_size} for one in infos]


def download(asked: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    """Fetch files into place."""
    with hf_xet.XetSession().new_file_download_group(**place) as group:
        for file in asked["files"]:
            info = hf_xet.XetFileInfo(file["hash"], file["size"])
            group.start_download_file(info, file["path"])
    return []


def stream(asked: dict[str, Any], place: dict[str, Any]) -> list[dict[str, Any]]:
    """Fetch a range of one file into place."""
    group = hf_xet.XetSession().new_download_stream_group(**place)
    info = hf_xet.XetFileInfo(asked["hash"], asked["size"])
    with open(asked["path"], "wb") as out:  # noqa: PTH123
        out.writelines(group.download_stream(info, asked["start"], asked["end"]))
    return []


if __name__ == "__main__":
    request = json.load(sys.stdin)
    address = {
        "token_refresh_url": request["url"],
        "token_refresh_headers": {"Authorization": f"Bearer {request['token']}"},
    }
    done = {"upload": upload, "download": download, "stream": stream}[request["op"]](
        request, address
    )
    json.dump(done, sys.stdout)
