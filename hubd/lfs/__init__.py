"""Large objects of repositories: who has what, uploads, downloads, locks, quotas; no HTTP in it."""

from hubd.lfs.context import Lfs

__all__ = ["Lfs"]
