"""Where a repository lies: by its id, so that rename and transfer move no data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=4096)
def repo_path(root: Path, repo_id: int) -> Path:
    """``root/xx/ID.git``, spread over 256 folders."""
    return root / f"{repo_id % 256:02x}" / f"{repo_id}.git"
