"""What every use case works with: the rooms below, gathered once by ``app.build``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hubd.config import Config
from hubd.core.idtokens import IdTokens
from hubd.core.limits import Limits
from hubd.core.packcache import PackCache
from hubd.core.rates import Rates
from hubd.core.refusals import Refusals
from hubd.core.tasks import Tasks
from hubd.git.layout import repo_path
from hubd.git.objects import ObjectPool
from hubd.git.process import Git
from hubd.git.refcache import RefCache
from hubd.hooks.pipeline import Pipeline
from hubd.lfs import Lfs
from hubd.lfs.context import ObjectLocks
from hubd.obs.metrics import Metrics
from hubd.sealing import Sealer
from hubd.store.engine import Store


@dataclass
class Core:
    """One hub; ``config`` is replaced whole when the settings file changes."""

    config: Config
    store: Store
    git: Git
    objects: ObjectPool
    refs: RefCache
    packs: PackCache
    pipeline: Pipeline
    lfs: Lfs
    sealer: Sealer
    limits: Limits
    rates: Rates
    metrics: Metrics
    id_tokens: IdTokens
    tasks: Tasks
    refusals: Refusals = field(default_factory=Refusals)
    # One commit of ours at a time per branch.
    committing: ObjectLocks = field(default_factory=ObjectLocks)
    # Where HTTP and SSH are reached: what is bound, and what people use.
    http_url: str = ""
    ssh_url: str = ""
    stopping: bool = False

    @property
    def origin(self) -> str:
        """The public address of the hub, for texts that no request has to do with."""
        return (self.config.public_urls or [self.http_url])[0].rstrip("/")

    @cached_property
    def repos_dir(self) -> Path:
        """The folder below which all repositories lie."""
        return self.config.data / "repos"

    def path_of(self, repo_id: int) -> Path:
        """The directory of a repository; it never moves."""
        return repo_path(self.repos_dir, repo_id)

    def apply(self, config: Config) -> None:
        """Take up changed settings; those that need a restart keep their old effect."""
        self.config = config
        self.pipeline.config = config
        self.lfs.config = config
        self.rates.configure(config)
