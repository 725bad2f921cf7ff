"""CSGHub's client, unmodified, in an environment of its own."""

from __future__ import annotations

from pathlib import Path

from tests.clients.hfkit import HfClient

VERSION = "csghub"


class CsgClient(HfClient):
    """One person's machine with ``csghub-cli``."""

    @property
    def env(self) -> dict[str, str]:
        """As for the Hub's clients, in CSGHub's variables; git has a home of its own too."""
        own = {
            "CSGHUB_DOMAIN": self.place.hub.http,
            "CSGHUB_HOME": str(self.folder / "csghub"),
            "CSGHUB_TOKEN": self.token,
            "HOME": str(self.folder),
            "GIT_AUTHOR_NAME": "ada",
            "GIT_AUTHOR_EMAIL": "ada@example.invalid",
            "GIT_COMMITTER_NAME": "ada",
            "GIT_COMMITTER_EMAIL": "ada@example.invalid",
        }
        kept = {
            name: value
            for name, value in super().env.items()
            if name not in {"HF_ENDPOINT", "HF_TOKEN", "HF_HUB_DISABLE_XET"}
        }
        return {**kept, **own, **self.extra}

    def cli(self, *args: str) -> str:
        """Run ``csghub-cli ARGS``; its output."""
        return self._done([self.bin / "csghub-cli", *args])


def files_of(folder: Path) -> dict[str, bytes]:
    """What is below a folder, without what git and clients keep for themselves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".git", ".cache", ".gitattributes"} & set(path.parts)
    }
