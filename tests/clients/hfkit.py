"""The Hugging Face clients, unmodified, each version in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.kit import Place
from tests.hubproc import ROOT

VERSIONS = (
    "hf2",
    pytest.param("hf1", marks=pytest.mark.soak),
    pytest.param("hf0", marks=pytest.mark.soak),
)
_PRELUDE = """
import hashlib, os, pathlib
from huggingface_hub import *
from huggingface_hub.errors import *
from huggingface_hub import HfFileSystem, ModelCard, CommitOperationAdd, CommitOperationCopy
from huggingface_hub import CommitOperationDelete
api = HfApi()

def refused(kind, call):
    try:
        found = call()
    except kind as error:
        assert type(error).__name__ != "HfHubHTTPError" or kind in (HfHubHTTPError, Exception), repr(error)
        return error
    raise AssertionError(f"not refused: {found}")
"""


@dataclass
class HfClient:
    """One person's machine with a client of some version; its cache starts empty."""

    place: Place
    version: str
    folder: Path
    token: str
    extra: dict[str, str] = field(default_factory=dict)
    seconds: float = 280

    @property
    def is_old(self) -> bool:
        """Whether this is the line before 1.0."""
        return self.version == "hf0"

    @property
    def bin(self) -> Path:
        """Where its programs are; tests without them are skipped."""
        if not (ROOT / "build" / "clients" / self.version / "stamp").exists():
            pytest.skip("tests/clients/fetch.sh could not fetch this client")
        return ROOT / "build" / "clients" / self.version / "bin"

    @property
    def env(self) -> dict[str, str]:
        """Nothing of the developer's, and no way but to this hub."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "GIT_"))}
        own = {
            "HF_ENDPOINT": self.place.hub.http,
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "*",
            "PYTHONWARNINGS": "ignore",
        }
        return {**kept, **own, **({"HF_TOKEN": self.token} if self.token else {}), **self.extra}

    def run(self, script: str, **names: object) -> str:
        """Run a script with the client at hand and these names; its output. Fails if it fails."""
        given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        text = _PRELUDE + given + textwrap.dedent(script)
        return self._done([self.bin / "python", "-c", text])

    def cli(self, *args: str) -> str:
        """Run ``hf ARGS``; its output."""
        return self._done([self.bin / "hf", *args])

    def _done(self, argv: list[str | Path]) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            argv,
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=self.seconds,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def requests(self, script: str, **names: object) -> list[tuple[str, str]]:
        """The method and path of each request that a script makes."""
        before = len(self.place.hub.log())
        self.run(script, **names)
        lines = self.place.hub.log()[before:].splitlines()
        events: list[dict[str, Any]] = [
            msgspec.json.decode(line) for line in lines if line.startswith("{")
        ]
        found = [(e["method"], e["path"]) for e in events if e.get("event") == "http.request"]
        # Whether an assistant runs the client is its own affair.
        return [pair for pair in found if pair[1] != "/api/agent-harnesses"]
